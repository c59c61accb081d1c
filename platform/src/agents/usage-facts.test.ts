import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from './journal/entry.ts'
import { earlierMs, toldBy, usageFacts } from './usage-facts.ts'

const cost = (inputTokens: number, cachedInputTokens: number, outputTokens: number) => ({
  ...{ inputTokens, cachedInputTokens, outputTokens },
  usd: 0,
})
const run = { id: 'u1', accountId: 'a', agent: 'x', fence: 3 }
const told = cost(100, 40, 10)
const at = (text: string) => Date.parse(`2026-01-01T${text}Z`)

test('no fact goes over a full hour, and the tokens that are new are in one of them', () => {
  const facts = usageFacts(run, { since: at('10:59:30'), until: at('12:00:00'), metered: cost(300, 90, 25), told })
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
  const facts = usageFacts(run, { since: at('10:00:00'), until: at('09:00:00'), metered: told, told })
  assert.deepEqual([facts.length, facts[0]!.startedAt, facts[0]!.modelOutputTokens], [1, facts[0]!.endedAt, 0])
})

/** A journal of these types at these times; the first is when it was made. An answer takes a token. */
function journal(...told: [Entry['type'], number][]): Entry[] {
  const message = { role: 'assistant', content: [], stopReason: 'end', origin: { model: 'm' } }
  const opened = { thread: 'main', system: '', text: '' }
  const data = { ...opened, spec: { name: 'x' }, model: 'm', message, usage: cost(1, 0, 0), disk: '' }
  return told.map(([type, time], index) => ({ type, at: time, seq: index + 1, data }) as unknown as Entry)
}

test('processes that are gone have carried a run on from the first entry that each wrote to its last', () => {
  const cases: [number, [Entry['type'], number][]][] = [
    [0, [['run.started', 5]]],
    // How long it waited for somebody to take it up counts for nothing, nor does the time between two of them.
    [
      7,
      [
        ['run.started', 5],
        ['thread.opened', 100],
        ['model.asked', 107],
      ],
    ],
    [
      12,
      [
        ['run.started', 5],
        ['thread.opened', 100],
        ['model.asked', 107],
        ['run.resumed', 200],
        ['model.asked', 205],
      ],
    ],
    [
      3,
      [
        ['run.started', 5],
        ['thread.opened', 6],
        ['run.waits', 50],
        ['approval.answered', 60],
        ['run.resumed', 70],
        ['tool.ended', 73],
      ],
    ],
    [
      0,
      [
        ['run.started', 5],
        ['thread.opened', 6],
        ['run.waits', 50],
        ['message.added', 60],
      ],
    ],
    [
      0,
      [
        ['run.started', 5],
        ['thread.opened', 6],
        ['run.ended', 50],
        ['run.rolled_back', 60],
        ['run.resumed', 90],
      ],
    ],
    // The entries that a branch begins with are those of another run.
    [
      4,
      [
        ['run.started', 5],
        ['thread.opened', 6],
        ['model.asked', 50],
        ['run.forked', 60],
        ['run.resumed', 70],
        ['model.asked', 74],
      ],
    ],
    // A clock that was set back takes nothing away.
    [
      5,
      [
        ['run.started', 5],
        ['thread.opened', 6],
        ['model.asked', 3],
        ['run.resumed', 10],
        ['model.asked', 15],
      ],
    ],
  ]
  for (const [ms, entries] of cases) assert.equal(earlierMs(journal(...entries)), ms, JSON.stringify(entries))
})

test('what a row does not say of tokens the journal tells, up to where it was settled', () => {
  const turn: [Entry['type'], number][] = [
    ['thread.opened', 1],
    ['model.answered', 2],
    ['model.answered', 3],
  ]
  assert.equal(toldBy(journal(['run.started', 0], ...turn)).inputTokens, 0)
  assert.equal(toldBy(journal(['run.started', 0], ...turn, ['run.waits', 4], ['model.answered', 5])).inputTokens, 2)
  assert.equal(toldBy(journal(['run.started', 0], ...turn, ['run.forked', 4], ['model.answered', 5])).inputTokens, 2)
})
