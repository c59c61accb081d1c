import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf } from './message.ts'
import {
  type FailureCode,
  type Model,
  type ModelEvent,
  type ModelFailure,
  type ModelRequest,
  outcomeOf,
} from './model.ts'
import { scriptedModel } from './scripted.ts'
import { withDeadline } from './with-deadline.ts'
import { withFailover } from './with-failover.ts'
import { withKeyRotation } from './with-key-rotation.ts'
import { withRetries } from './with-retries.ts'

const request: ModelRequest = { messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }] }
const failure = (code: FailureCode, retryAfterMs?: number): ModelFailure => ({
  code,
  message: `it is ${code}`,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
})

/** Fails in these ways, then answers with its name. */
const failing = (name: string, ...failures: ModelFailure[]): Model =>
  scriptedModel({ name, steps: [{ failFirst: failures, text: name }] })

async function collect(model: Model, signal?: AbortSignal): Promise<ModelEvent[]> {
  const events: ModelEvent[] = []
  for await (const event of model.stream(request, signal)) events.push(event)
  return events
}

/** Who failed how, and what came in the end. */
function story(events: ModelEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.type === 'attempt_failed') return `${event.model} ${event.failure.code}`
    if (event.type === 'failed') return `failed ${event.failure.code}`
    return event.type === 'done' ? `done ${textOf(event.message)}` : []
  })
}

function recordedSleep() {
  const waits: number[] = []
  return { waits, random: () => 1, sleep: async (ms: number) => void waits.push(ms) }
}

test('retries wait as long as the vendor says, else ever longer', async () => {
  const deps = recordedSleep()
  const model = failing('m', failure('overloaded'), failure('rate_limited', 3000), failure('server_error'))
  assert.deepEqual(story(await collect(withRetries(model, { baseMs: 100 }, deps))), [
    'm overloaded',
    'm rate_limited',
    'm server_error',
    'done m',
  ])
  assert.deepEqual(deps.waits, [100, 3000, 400])
})

test('retries end when they are used up, when they cannot help, and when the wait would be too long', async () => {
  const deps = recordedSleep()
  const many = Array.from({ length: 9 }, () => failure('network'))
  assert.deepEqual(story(await collect(withRetries(failing('m', ...many), { attempts: 2 }, deps))), [
    'm network',
    'failed network',
  ])
  assert.deepEqual(story(await collect(withRetries(failing('m', failure('auth')), {}, deps))), ['failed auth'])
  const long = withRetries(failing('m', failure('rate_limited', 3_600_000)), { maxWaitMs: 1000 }, deps)
  assert.deepEqual(story(await collect(long)), ['failed rate_limited'])
})

test('giving up while waiting ends at once', async () => {
  const abort = new AbortController()
  const model = withRetries(failing('m', failure('rate_limited', 50_000)))
  const events: ModelEvent[] = []
  for await (const event of model.stream(request, abort.signal)) {
    events.push(event)
    abort.abort()
  }
  assert.deepEqual(story(events), ['m rate_limited', 'failed cancelled'])
})

test('failover goes on with the next, tells why, and lets the failed one rest', async () => {
  let now = 0
  const first = failing('first', failure('rate_limited', 5000))
  const model = withFailover([first, failing('second')], { now: () => now })
  assert.deepEqual(story(await collect(model)), ['first rate_limited', 'done second'])
  now = 4999
  assert.deepEqual(story(await collect(model)), ['first rate_limited', 'done second'])
  now = 5000
  assert.deepEqual(story(await collect(model)), ['done first'])
})

test('failover ends with the last failure, and at once where no other could help', async () => {
  const none = withFailover([failing('a', failure('network')), failing('b', failure('server_error'))])
  assert.deepEqual(story(await collect(none)), ['a network', 'failed server_error'])
  const refused = withFailover([failing('a', failure('invalid_request')), failing('b')])
  assert.deepEqual(story(await collect(refused)), ['failed invalid_request'])
})

test('keys take turns for what is refused to one of them', async () => {
  const asked: (string | undefined)[] = []
  const rotate = (first: ModelFailure) =>
    withKeyRotation(['key-one', 'key-two'], (key, name) => {
      asked.push(key)
      return failing(name ?? 'm', ...(key === 'key-one' ? [first] : []))
    })
  const story1 = story(await collect(rotate(failure('quota_exceeded'))))
  assert.deepEqual(story1, ['m (key 1 of 2) quota_exceeded', 'done m (key 2 of 2)'])
  assert.deepEqual(story(await collect(rotate(failure('server_error')))), ['failed server_error'])
  assert.doesNotMatch(JSON.stringify(story1), /key-one|key-two/)
})

test('a key that is of no use does not hide that another one works in a moment', async () => {
  const deps = recordedSleep()
  const of = (first: ModelFailure, second: ModelFailure) =>
    withRetries(
      withKeyRotation(['1', '2'], (key, name) => failing(name ?? 'm', key === '1' ? first : second), {
        now: () => slept(),
      }),
      { maxWaitMs: 10_000 },
      deps,
    )
  const slept = () => deps.waits.reduce((sum, ms) => sum + ms, 0)
  for (const dead of [failure('auth'), failure('quota_exceeded'), failure('rate_limited', 3_600_000)]) {
    deps.waits.length = 0
    const told = story(await collect(of(failure('rate_limited', 2000), dead)))
    assert.deepEqual([told.at(-1), deps.waits], ['done m (key 1 of 2)', [2000]], JSON.stringify(told))
  }
  deps.waits.length = 0
  assert.equal(
    story(await collect(of(failure('rate_limited', 3000), failure('rate_limited', 1000)))).at(-1),
    'done m (key 2 of 2)',
  )
  assert.deepEqual(deps.waits, [1000], 'whoever can be asked again the soonest')
})

test('retries and failover compose: keys in turn, then other models, then waiting', async () => {
  const deps = recordedSleep()
  const keys = withKeyRotation(['1', '2'], (_key, name) => failing(name ?? 'm', failure('rate_limited')))
  const all = withRetries(withFailover([keys, failing('other', failure('overloaded'))]), {}, deps)
  assert.equal(story(await collect(all)).at(-1), 'done other', 'it rests the shortest')
  assert.equal(deps.waits.length, 1)
})

test('a deadline is a timeout, the caller who gives up is not', async () => {
  const slow = scriptedModel({ steps: [{ waitMs: 60_000, text: 'late' }] })
  assert.deepEqual(story(await collect(withDeadline(slow, 20))), ['failed timeout'])
  assert.deepEqual(story(await collect(withDeadline(slow, 60_000), AbortSignal.timeout(20))), ['failed cancelled'])
  assert.equal((await outcomeOf(withDeadline(failing('m'), 60_000).stream(request))).type, 'done')
})
