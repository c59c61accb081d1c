import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '2' })

async function deploy(name: string, source: string, settings: object = {}, runtime = 'node24'): Promise<Answer> {
  const files = { [runtime === 'node24' ? 'index.js' : 'main.py']: Buffer.from(source).toString('base64') }
  return platform.json('PUT', `/v1/functions/${name}`, {
    runtime,
    files,
    settings: { retrySeconds: 0.05, ...settings },
  })
}

const invoke = async (name: string, event: unknown) =>
  (await platform.call('POST', `/v1/functions/${name}/invoke`, JSON.stringify(event))).json()

async function enqueue(name: string, event: unknown): Promise<string> {
  return (await (await platform.call('POST', `/v1/functions/${name}/invocations`, JSON.stringify(event))).json()).id
}

async function ended(name: string, id: string): Promise<Answer> {
  return until(
    `${id} has ended`,
    async () => {
      const found = await platform.json('GET', `/v1/functions/${name}/invocations/${id}`)
      return ['succeeded', 'failed'].includes(found.state) && found
    },
    90_000,
  )
}

const callsOf = async (name: string): Promise<Answer[]> =>
  (await platform.json('GET', `/v1/functions/${name}/invocations?limit=1000`)).invocations

await deploy(
  'square',
  'exports.handler = async ({ n }) => { if (n < 0) throw new RangeError("below 0"); return n * n }',
  {
    retries: 0,
  },
)
const squares = Array.from({ length: 20 }, (_, n) => n * n)

test('a call makes others at once and has what they came to, in order, asynchronously and not', async () => {
  await deploy(
    'sum',
    `exports.handler = async ({ upTo }, context) => {
      const calls = Array.from({ length: upTo }, (_, n) => ({ function: 'square', payload: { n } }))
      return { all: await context.all(calls), one: await context.invoke('square', { n: 100 }) }
    }`,
    { invokes: ['square'] },
  )
  assert.deepEqual(await invoke('sum', { upTo: 20 }), { all: squares, one: 10_000 })
  const id = await enqueue('sum', { upTo: 20 })
  assert.deepEqual((await ended('sum', id)).result, { all: squares, one: 10_000 })
  const made = (await callsOf('square')).filter(({ parent }) => parent === id)
  assert.deepEqual([made.length, new Set(made.map(({ trigger }) => trigger))], [21, new Set(['function'])])
})

test('what it may not do is refused, and what fails is told with its reason', async () => {
  await deploy('other', 'exports.handler = async () => 1')
  await deploy(
    'asks',
    `exports.handler = async ({ name, payload, where }, context) => {
      const ask = () => context.invoke(name, payload)
      try { return await (where === 'step' ? context.step('s', ask) : ask()) }
      catch (error) { return [error.name, error.reason, error.message] }
    }`,
    { invokes: ['square', 'nothing'] },
  )
  const told = async (event: object) => (await invoke('asks', event)).join(' · ')
  assert.equal(
    await told({ name: 'other' }),
    'CallFailed · refused · the call of "other" failed: function "asks" may not call "other": its setting invokes does not name it',
  )
  assert.match(await told({ name: 'nothing' }), /refused · .*there is no function "nothing"/)
  assert.match(await told({ name: 'square', payload: 'x'.repeat(1_100_000) }), /has 1100002 bytes, over 1048576/)
  assert.match(await told({ name: 'square', payload: { n: -1 } }), /CallFailed · error · .*below 0/)
  assert.match(await told({ name: 'square', where: 'step' }), /outside of steps/)
  await deploy(
    'settled',
    `exports.handler = async (event, context) => {
      const settled = await context.allSettled([-1, 2].map((n) => ({ function: 'square', payload: { n } })))
      return settled.map(({ status, value, reason }) => [status, value ?? reason.type])
    }`,
    { invokes: ['*'] },
  )
  const settled = [
    ['rejected', 'RangeError'],
    ['fulfilled', 4],
  ]
  assert.deepEqual(await invoke('settled', {}), settled)
})

const places = (concurrency: number) => (concurrency > 1 ? `, with ${concurrency} calls in it` : '')
for (const concurrency of [1, 3])
  test(`a task splits itself although it may have one instance only${places(concurrency)}: who waits holds none`, async () => {
    const name = `split${concurrency}`
    await deploy(
      name,
      `exports.handler = async ({ from, to }, context) => {
        if (to - from === 1) return from
        const middle = (from + to) >> 1
        const halves = [{ from, to: middle }, { from: middle, to }].map((payload) => ({ function: '${name}', payload }))
        const [left, right] = await context.all(halves)
        return left + right
      }`,
      { maxInstances: 1, concurrency },
    )
    const found = await ended(name, await enqueue(name, { from: 0, to: 8 }))
    assert.deepEqual([found.result, found.attempt], [28, 1])
    assert.equal((await callsOf(name)).length, 15)
  })

test('the example adds up by halves', async () => {
  const source = readFileSync(new URL('../../examples/functions/split.ts', import.meta.url))
  await platform.json('PUT', '/v1/functions/split', {
    runtime: 'node24',
    files: { 'split.ts': source.toString('base64') },
  })
  assert.equal(await invoke('split', { numbers: [1, 2, 3, 4, 5] }), 15)
})

test('recursion ends at its limit', async () => {
  await deploy(
    'deeper',
    `exports.handler = async ({ depth }, context) => {
      try { return await context.invoke('deeper', { depth: depth + 1 }) }
      catch (error) { return [depth, error.message] }
    }`,
  )
  const [depth, message] = (await ended('deeper', await enqueue('deeper', { depth: 0 }))).result
  assert.equal(depth, 16)
  assert.match(message, /there are 16 calls above one another already/)
})

test('an attempt that fails leaves its calls to the next one, which must ask for the same', async () => {
  await deploy(
    'again',
    `exports.handler = async ({ how }, context) => {
      const { attempt } = context
      const n = how === 'differs' ? attempt : 3
      const all = await context.all([1, 2, n].map((n) => ({ function: 'square', payload: { n } })))
      if (attempt === 1 && how === 'exits') process.exit(3)
      if (attempt === 1) throw new Error('after the calls')
      return { all, named: await context.invoke('square', { n: attempt }, { key: 'by name' }) }
    }`,
    { invokes: ['square'], retries: 1 },
  )
  for (const how of ['throws', 'exits']) {
    const id = await enqueue('again', { how })
    const found = await ended('again', id)
    assert.deepEqual([found.result, found.attempt], [{ all: [1, 4, 9], named: 4 }, 2], how)
    assert.equal((await callsOf('square')).filter(({ parent }) => parent === id).length, 4, how)
  }
  const { error } = await ended('again', await enqueue('again', { how: 'differs' }))
  assert.match(error.message, /the call "square 3" was made before, .* with another payload/)
})

test('killed with -9 while calls wait for calls, the platform makes each of them once', async () => {
  await deploy('slowly', 'exports.handler = ({ n }) => new Promise((done) => setTimeout(done, 400, n))', {
    maxInstances: 4,
  })
  await deploy(
    'waits',
    `exports.handler = async ({ base }, context) => {
      const calls = Array.from({ length: 10 }, (_, n) => ({ function: 'slowly', payload: { n: base + n } }))
      const first = await context.all(calls)
      return [...first, await context.invoke('slowly', { n: first.length })]
    }`,
    { invokes: ['slowly'] },
  )
  const ids = await Promise.all([0, 100, 200].map((base) => enqueue('waits', { base })))
  for (const ends of [1, 12]) {
    await until('some have ended', async () => {
      const calls = await callsOf('slowly')
      return calls.filter(({ state }) => state === 'succeeded').length >= ends
    })
    await platform.kill('SIGKILL')
    await platform.start()
  }
  for (const [at, id] of ids.entries()) {
    const found = await ended('waits', id)
    assert.deepEqual(found.result, [...Array.from({ length: 10 }, (_, n) => 100 * at + n), 10])
  }
  const made = await callsOf('slowly')
  assert.deepEqual([made.length, made.every(({ state }) => state === 'succeeded')], [33, true])
})

test('in Python it is the same', async () => {
  for (const concurrency of [1, 3]) {
    await deploy(
      `pysplit${concurrency}`,
      `def handler(event, context):
    start, end = event["from"], event["to"]
    if end - start == 1:
        return start
    middle = (start + end) // 2
    halves = [{"from": start, "to": middle}, {"from": middle, "to": end}]
    return sum(context.all([{"function": context.function_name, "payload": half} for half in halves]))
`,
      { maxInstances: 1, concurrency },
      'python3',
    )
    const found = await ended(`pysplit${concurrency}`, await enqueue(`pysplit${concurrency}`, { from: 0, to: 4 }))
    assert.deepEqual([found.result, found.attempt], [6, 1])
  }
  await deploy(
    'pyasks',
    `def handler(event, context):
    if event.get("step"):
        return context.step("a", lambda: 1) + context.step("b", lambda: 2)
    try:
        context.invoke("square", {"n": -1})
    except Exception as error:
        failed = [type(error).__name__, error.reason, error.type]
    settled = context.all_settled([{"function": "square", "payload": {"n": n}} for n in (3, -1)])
    if context.attempt == 1 and event.get("fails"):
        raise RuntimeError("after the calls")
    return failed, settled[0]["value"], settled[1]["status"], context.invoke("square", {"n": 5}, key="named")
`,
    { invokes: ['square'], retries: 1, concurrency: 3 },
    'python3',
  )
  const expected = [['CallFailed', 'error', 'RangeError'], 9, 'rejected', 25]
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => invoke('pyasks', {}))), [expected, expected, expected])
  assert.equal(await invoke('pyasks', { step: true }), 3)
  const id = await enqueue('pyasks', { fails: true })
  assert.deepEqual([(await ended('pyasks', id)).result, (await ended('pyasks', id)).attempt], [expected, 2])
  assert.equal((await callsOf('square')).filter(({ parent }) => parent === id).length, 4)
})
