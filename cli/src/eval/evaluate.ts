import type { RunInfo, Warren } from '@warren/sdk'
import { text } from '../messages.ts'
import { type Judge, type Scores, score, verdictOf } from './score.ts'
import type { Case, Suite } from './suite.ts'

export interface CaseResult {
  name: string
  passed: boolean
  /** Each scorer, and whether the answer passes it. */
  scores: Partial<Record<keyof Scores, boolean>>
  why?: string
  runId: string
  state: string
  output: string
  steps: number
  tokens: number
  usd: number
  ms: number
}

export interface Evaluation {
  at: string
  passed: number
  failed: number
  /** What cases and judges have cost. */
  tokens: number
  usd: number
  cases: CaseResult[]
}

/** Runs all cases, so many at once, and scores what they answer; each is told as soon as it is there. */
export async function evaluate(
  warren: Warren,
  { cases, judge }: Suite,
  { parallel, signal, tell }: { parallel: number; signal: AbortSignal; tell: (result: CaseResult) => void },
): Promise<Evaluation> {
  const at = new Date().toISOString()
  const judged = { tokens: 0, usd: 0 }
  const ask: Judge = async ({ criteria, input, output }) => {
    const task = `The criteria:\n${criteria}\n\nThe task:\n${input}\n\nThe answer:\n${output}`
    const run = await ended(warren, await warren.runs.start(judge, task), signal)
    judged.tokens += tokensOf(run)
    judged.usd += run.usage.usd
    const verdict = run.state === 'done' ? verdictOf(run.output ?? '') : undefined
    return verdict ?? { accepted: false, reason: text.evalNoVerdict(run.message ?? run.output ?? run.state) }
  }
  const results: CaseResult[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < cases.length; index = next++) {
      const result = await evaluateCase(warren, cases[index]!, { ask, signal })
      results[index] = result
      tell(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, cases.length) }, worker))
  const sum = (of: (result: CaseResult) => number) => results.reduce((total, result) => total + of(result), 0)
  const passed = results.filter((result) => result.passed).length
  return {
    at,
    passed,
    failed: results.length - passed,
    tokens: sum(({ tokens }) => tokens) + judged.tokens,
    usd: sum(({ usd }) => usd) + judged.usd,
    cases: results,
  }
}

async function evaluateCase(
  warren: Warren,
  one: Case,
  { ask, signal }: { ask: Judge; signal: AbortSignal },
): Promise<CaseResult> {
  const began = Date.now()
  let started: RunInfo
  try {
    started = await warren.runs.start(one.agent, one.input, { images: one.images })
  } catch (error) {
    // An agent that is not there, or too long an input: the other cases have their results all the same.
    const nothing = { runId: '', state: 'failed', output: '', steps: 0, tokens: 0, usd: 0, ms: Date.now() - began }
    const why = text.evalEnded('failed', error instanceof Error ? error.message : String(error))
    return { name: one.name, ...nothing, passed: false, scores: {}, why }
  }
  const run = await ended(warren, started, signal)
  const ms = Date.now() - began
  const { runId, state, output = '', steps, usage } = run
  const common = { name: one.name, runId, state, output, steps, tokens: tokensOf(run), usd: usage.usd, ms }
  if (state !== 'done')
    return { ...common, passed: false, scores: {}, why: text.evalEnded(state, run.message ?? run.reason ?? '') }
  const scores = await score(one, output, ask)
  const why = Object.values(scores).filter((fault) => fault !== undefined)
  return {
    ...common,
    passed: why.length === 0,
    scores: Object.fromEntries(Object.entries(scores).map(([scorer, fault]) => [scorer, fault === undefined])),
    ...(why.length > 0 && { why: why.join('; ') }),
  }
}

/** A run at its end. Nobody is there who would answer what it asks, so one that waits is cancelled, and one whose caller gives up. */
async function ended(warren: Warren, { runId }: RunInfo, signal: AbortSignal): Promise<RunInfo> {
  let run = await warren.runs.get(runId)
  try {
    for await (const event of warren.runs.follow(runId, { signal })) if (event.type === 'run') run = event.run
  } finally {
    if (signal.aborted || run.state === 'waiting') await warren.runs.cancel(runId).catch(() => {})
  }
  return run
}

function tokensOf({ usage }: RunInfo): number {
  return usage.inputTokens + usage.outputTokens
}
