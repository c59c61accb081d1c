import { Ajv } from 'ajv'
import { text } from '../messages.ts'
import { oneLine } from '../output/one-line.ts'
import type { Case } from './suite.ts'

/** What a model says of an answer. */
export type Judge = (one: { criteria: string; input: string; output: string }) => Promise<Verdict>

export interface Verdict {
  accepted: boolean
  reason: string
}

/** Each scorer of a case with why the answer does not pass it; undefined where it does. */
export type Scores = Partial<Record<'exact' | 'matches' | 'schema' | 'judge', string | undefined>>

const mostShownChars = 200

/** What an answer passes of what its case asks for. A model is asked last, and only where the rest passes. */
export async function score(one: Case, output: string, judge: Judge): Promise<Scores> {
  const { exact, matches, schema, judge: criteria, input } = one
  const shown = oneLine(output, mostShownChars)
  const scores: Scores = {
    ...(exact !== undefined && {
      exact: output.trim() === exact.trim() ? undefined : text.evalNotExact(oneLine(exact, mostShownChars), shown),
    }),
    ...(matches && { matches: matches.test(output) ? undefined : text.evalNoMatch(matches.source, shown) }),
    ...(schema && { schema: schemaFault(schema, output) }),
  }
  if (criteria === undefined || Object.values(scores).some((why) => why !== undefined)) return scores
  const { accepted, reason } = await judge({ criteria, input, output })
  return { ...scores, judge: accepted ? undefined : reason }
}

/** The verdict in what a judge has answered. */
export function verdictOf(answer: string): Verdict | undefined {
  const found = jsonIn(answer) as Partial<Verdict> | undefined
  if (typeof found?.accepted !== 'boolean') return undefined
  return { accepted: found.accepted, reason: typeof found.reason === 'string' ? found.reason : '' }
}

function schemaFault(schema: object, output: string): string | undefined {
  const value = jsonIn(output)
  if (value === undefined) return text.evalNoJson(oneLine(output, mostShownChars))
  const ajv = new Ajv({ strict: false, allErrors: true })
  try {
    return ajv.validate(schema, value) ? undefined : text.evalNoSchema(ajv.errorsText())
  } catch (error) {
    return text.evalNoSchema((error as Error).message)
  }
}

/** JSON, perhaps in a block of Markdown or with words around it. */
function jsonIn(answer: string): unknown {
  const [, block] = /```(?:json)?\s*\n([\s\S]*?)\n\s*```/.exec(answer) ?? []
  const part = /[[{][\s\S]*[\]}]/.exec(answer)?.[0]
  for (const candidate of [answer, block, part]) {
    try {
      if (candidate !== undefined) return JSON.parse(candidate)
    } catch {}
  }
  return undefined
}
