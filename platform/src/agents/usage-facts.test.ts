import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Run } from './run.ts'
import { usageFacts } from './usage-facts.ts'

const cost = (inputTokens: number, cachedInputTokens: number, outputTokens: number) => ({
  ...{ inputTokens, cachedInputTokens, outputTokens },
  usd: 0,
})
const run = { id: 'u1', accountId: 'a', agent: 'x', fence: 3, told: cost(100, 40, 10) } as Run
const at = (text: string) => Date.parse(`2026-01-01T${text}Z`)

test('no fact goes over a full hour, and the tokens that are new are in one of them', () => {
  const facts = usageFacts(run, { since: at('10:59:30'), until: at('12:00:00'), metered: cost(300, 90, 25) })
  assert.deepEqual(
    facts.map(({ key, startedAt, endedAt }) => [
      key,
      startedAt.toISOString().slice(11, 19),
      endedAt.toISOString().slice(11, 19),
    ]),
    [
      ['u1/3/0', '10:59:30', '11:00:00'],
      ['u1/3/1', '11:00:00', '12:00:00'],
    ],
  )
  const tokens = facts.map((fact) => [fact.modelInputTokens, fact.modelCachedTokens, fact.modelOutputTokens])
  assert.deepEqual(tokens, [
    [undefined, undefined, undefined],
    [150, 50, 15],
  ])
})

test('a clock that was set back makes a fact without length', () => {
  const facts = usageFacts(run, { since: at('10:00:00'), until: at('09:00:00'), metered: run.told })
  assert.deepEqual([facts.length, facts[0]!.startedAt, facts[0]!.modelOutputTokens], [1, facts[0]!.endedAt, 0])
})
