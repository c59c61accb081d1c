import type { UsageFact } from '../metering/usage-fact.ts'
import { type Cost, type Entry, noCost } from './journal/entry.ts'
import { stateOf } from './journal/run-state.ts'
import type { Run } from './run.ts'

const hourMs = 3_600_000

interface Used {
  /** Milliseconds: when it was taken up, and when it ends or waits. */
  since: number
  until: number
  /** In all, from its beginning on, and what of it was told as facts. */
  metered: Cost
  told: Cost
}

/**
 * What a run used since it was settled the last time, as facts: how long it was carried on, none over a full hour, and in the last
 * of them the tokens. The same turn always has the same keys.
 */
export function usageFacts(
  { id, accountId, agent, fence }: Pick<Run, 'id' | 'accountId' | 'agent' | 'fence'>,
  { since, until, metered, told }: Used,
): UsageFact[] {
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

/** What was told of a run whose row does not say it: it was not settled yet, or when tokens were not counted. */
export function toldBy(entries: readonly Entry[]): Cost {
  return stateOf(entries.slice(0, settledAt(entries) + 1))?.metered ?? noCost
}

/**
 * Milliseconds for which processes that are gone have carried a run on since it was settled the last time. Each is known to have
 * lived from the first entry that it wrote to its last.
 */
export function earlierMs(entries: readonly Entry[]): number {
  const settled = settledAt(entries)
  let ms = 0
  // Only a run that was carried on by nobody before is taken up without a word.
  let [since, until] = settled < 0 && entries[1] ? [entries[1].at, entries[1].at] : [undefined, 0]
  for (const { type, at } of entries.slice(Math.max(1, settled + 1))) {
    if (type === 'run.resumed') {
      ms += since === undefined ? 0 : Math.max(0, until - since)
      since = at
    }
    until = at
  }
  return ms + (since === undefined ? 0 : Math.max(0, until - since))
}

/** The place of the entry that was the last when it was settled, or that it was begun with as a branch; -1 where there is none. */
function settledAt(entries: readonly Entry[]): number {
  return entries.findLastIndex(({ type }) => type === 'run.waits' || type === 'run.ended' || type === 'run.forked')
}
