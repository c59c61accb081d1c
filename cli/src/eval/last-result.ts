import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Evaluation } from './evaluate.ts'

/** How a result differs from the last one. */
export interface Changes {
  since: string
  /** Cases that passed and do not any more, and the other way round. */
  broken: string[]
  fixed: string[]
  tokens: number
  usd: number
}

export function placeOf(suite: string): string {
  return `${suite.replace(/\.json$/, '')}.last.json`
}

/** The last result of a file; undefined where there is none that can be read. */
export function lastResult(suite: string): Evaluation | undefined {
  try {
    const found = JSON.parse(readFileSync(placeOf(suite), 'utf8')) as Evaluation
    return Array.isArray(found.cases) ? found : undefined
  } catch {
    return undefined
  }
}

/** Keeps it in the place of the last one, whole or not at all. */
export function keepResult(suite: string, result: Evaluation): void {
  const path = placeOf(suite)
  const draft = `${path}.${process.pid}.tmp`
  writeFileSync(draft, `${JSON.stringify(result, undefined, 2)}\n`)
  renameSync(draft, path)
}

export function compare(last: Evaluation, result: Evaluation): Changes {
  const before = new Map(last.cases.map(({ name, passed }) => [name, passed]))
  const named = (passes: boolean) =>
    result.cases.filter(({ name, passed }) => passed === passes && before.get(name) === !passes).map(({ name }) => name)
  const { tokens, usd } = result
  return {
    since: last.at,
    broken: named(false),
    fixed: named(true),
    tokens: tokens - last.tokens,
    usd: usd - last.usd,
  }
}
