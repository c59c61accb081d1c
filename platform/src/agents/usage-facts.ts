import type { UsageFact } from '../metering/usage-fact.ts'
import type { Cost } from './journal/entry.ts'
import type { Run } from './run.ts'

const hourMs = 3_600_000

interface Used {
  /** Milliseconds: when it was taken up, and when it ends or waits. */
  since: number
  until: number
  /** In all, from its beginning on. */
  metered: Cost
}

/**
 * What a run used since it was settled the last time, as facts: how long it was carried on, none over a full hour, and in the last
 * of them the tokens. The same turn always has the same keys.
 */
export function usageFacts({ id, accountId, agent, fence, told }: Run, { since, until, metered }: Used): UsageFact[] {
  const facts: UsageFact[] = []
  // A clock that was set back must not keep a run from ending.
  const end = Math.max(since, until)
  for (let from = since; ; ) {
    const to = Math.min(end, (Math.floor(from / hourMs) + 1) * hourMs)
    const [startedAt, endedAt] = [new Date(from), new Date(to)]
    const key = `${id}/${fence}/${facts.length}`
    facts.push({ key, accountId, kind: 'agent', subject: id, startedAt, endedAt, attributes: { agent } })
    if (to === end) break
    from = to
  }
  const cached = metered.cachedInputTokens - told.cachedInputTokens
  Object.assign(facts.at(-1)!, {
    modelInputTokens: Math.max(0, metered.inputTokens - told.inputTokens - cached),
    modelCachedTokens: Math.max(0, cached),
    modelOutputTokens: Math.max(0, metered.outputTokens - told.outputTokens),
  })
  return facts
}
