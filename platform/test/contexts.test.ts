import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allEvents } from './events.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const path = await platform.sandbox()
const python = (
  await platform.json('POST', `${path}/execute`, { command: 'python3 -c "import sys; print(sys.version)"' })
).exitCode
const skip = python !== 0 && 'there is no python3 below /usr on this host'

async function newContext(sandbox = path): Promise<string> {
  return `${sandbox}/contexts/${(await platform.json('POST', `${sandbox}/contexts`, {})).id}`
}

function run(context: string, code: string, more: object = {}): Promise<Answer> {
  return platform.json('POST', `${context}/execute`, { code, ...more })
}

test('a context keeps what it has been told, and answers with the last expression', { skip }, async () => {
  const context = await newContext()
  const first = await run(context, 'import sys\nx = 41\nprint("out")\nprint("err", file=sys.stderr)')
  assert.deepEqual([first.stdout, first.stderr, first.reason, first.result], ['out\n', 'err\n', 'completed', undefined])
  assert.equal((await run(context, 'def f(y):\n  return x + y\nf(1)')).result, '42')
  assert.equal((await run(context, '_ * 2')).result, '84')
  assert.equal((await run(context, '"text"')).result, "'text'")
  const { contexts } = await platform.json('GET', `${path}/contexts`)
  const found = contexts.find(({ id }: { id: string }) => context.endsWith(id))
  assert.deepEqual([found.language, found.state, found.cwd], ['python', 'idle', '/home/user'])
  assert.equal((await platform.call('DELETE', context)).status, 204)
  await until(
    'it is gone',
    async () => (await platform.call('POST', `${context}/execute`, { code: '1' })).status === 404,
  )
})

test('an exception is an outcome with its traceback, and the context goes on', { skip }, async () => {
  const context = await newContext()
  const { reason, error } = await run(context, 'def f():\n  raise ValueError("no")\nf()')
  assert.deepEqual([reason, error.name, error.message], ['raised', 'ValueError', 'no'])
  assert.match(error.traceback, /line 3, in <module>[\s\S]*raise ValueError\("no"\)/)
  assert.doesNotMatch(error.traceback, /contexts\.py/)
  assert.equal((await run(context, 'a b')).error.name, 'SyntaxError')
  assert.equal((await run(context, 'exit(1)')).error.name, 'SystemExit')
  assert.equal((await run(context, 'input()')).error.name, 'EOFError')
  assert.equal((await run(context, '1')).result, '1')
})

test('contexts share no variables and no random numbers', { skip }, async () => {
  const [one, other] = [await newContext(), await newContext()]
  await run(one, 'secret = 1')
  assert.equal((await run(other, 'secret')).error.name, 'NameError')
  const random =
    'import random\ntry:\n  import numpy\n  n = numpy.random.random()\nexcept ImportError:\n  n = random.random()\n(random.random(), n)'
  assert.notEqual((await run(one, random)).result, (await run(other, random)).result)
})

test('code that takes too long is interrupted and its context stays; what does not listen is killed', {
  skip,
}, async () => {
  const context = await newContext()
  const late = await run(context, 'y = 7\nwhile True: pass', { timeout: 0.3 })
  assert.deepEqual([late.reason, late.error.name], ['timeout', 'KeyboardInterrupt'])
  assert.equal((await run(context, 'y')).result, '7')
  const deaf = await run(context, 'import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass', {
    timeout: 0.3,
  })
  assert.deepEqual([deaf.reason, deaf.signal], ['died', 'SIGKILL'])
  assert.equal((await platform.call('POST', `${context}/execute`, { code: '1' })).status, 404)
})

test('a context runs one thing at a time', { skip }, async () => {
  const context = await newContext()
  const slow = run(context, 'import time; time.sleep(1); 5')
  await until('it is busy', async () => {
    const { contexts } = await platform.json('GET', `${path}/contexts`)
    return contexts.some(({ id, state }: { id: string; state: string }) => context.endsWith(id) && state === 'busy')
  })
  assert.equal((await platform.call('POST', `${context}/execute`, { code: '1' })).status, 409)
  assert.equal((await slow).result, '5')
})

test('output comes as it is printed, and an interpreter that ends itself is told', { skip }, async () => {
  const context = await newContext()
  const code = 'import os\nprint("one")\nos.system("echo two")\nos._exit(3)'
  const events = await allEvents(await platform.call('POST', `${context}/execute`, { code, stream: true }))
  const text = events.map(({ event, data }) => (event === 'stdout' ? data.data : '')).join('')
  assert.equal(text, 'one\ntwo\n')
  assert.deepEqual([events.at(-1)!.event, events.at(-1)!.data], ['outcome', { reason: 'died', exitCode: 3 }])
})

test('a caller that goes away interrupts the code, and the context stays', { skip }, async () => {
  const context = await newContext()
  const caller = new AbortController()
  const answer = platform.call(
    'POST',
    `${context}/execute`,
    { code: 'z = 1\nwhile True: pass' },
    { signal: caller.signal },
  )
  setTimeout(() => caller.abort(), 300)
  await assert.rejects(answer)
  await until(
    'it is idle',
    async () => (await platform.call('POST', `${context}/execute`, { code: 'z' })).status === 200,
  )
})

test('of 30 MB of output the first 8 MiB are kept', { skip }, async () => {
  const context = await newContext()
  const { stdout, truncated, result } = await run(context, 'print("x" * 30_000_000)\n6')
  assert.deepEqual([stdout.length, truncated, result], [8 * 1024 * 1024, true, '6'])
})

test('what meddles with the service harms its own sandbox alone, and the next context has a new one', {
  skip,
}, async () => {
  const own = await platform.sandbox()
  const garbage = await newContext(own)
  const write = 'import os\nfor fd in range(3, 64):\n  try: os.write(fd, b"\\xff" * 64)\n  except OSError: pass\n'
  const meddled = await platform.call('POST', `${garbage}/execute`, { code: `${write}import time; time.sleep(5)` })
  assert.equal(meddled.status === 200 ? (await meddled.json()).reason : 'refused', 'died')
  const killer = await newContext(own)
  const killed = await platform.call('POST', `${killer}/execute`, { code: 'import os; os.kill(os.getppid(), 9)' })
  assert.equal(killed.status, 503)
  assert.equal((await run(await newContext(own), '1 + 1')).result, '2')
  await platform.call('DELETE', own)
})

test('bad requests are refused with the reason', { skip }, async () => {
  const create = (body: object) => platform.call('POST', `${path}/contexts`, body)
  assert.equal((await create({ language: 'cobol' })).status, 400)
  const nowhere = await create({ cwd: '/nowhere' })
  assert.equal(nowhere.status, 404)
  assert.match((await nowhere.json()).message, /\/nowhere/)
  for (const contextId of ['cnothing', 'a'.repeat(65)]) {
    const reply = await platform.call('POST', `${path}/contexts/${contextId}/execute`, { code: '1' })
    assert.ok([400, 404].includes(reply.status))
  }
  assert.equal((await platform.call('GET', '/v1/sandboxes/snothere/contexts')).status, 404)
})

test('a context outlives the platform', { skip }, async () => {
  const context = await newContext()
  await run(context, 'kept = "still here"')
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal((await run(context, 'kept')).result, "'still here'")
})
