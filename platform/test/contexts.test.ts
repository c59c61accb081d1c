import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allEvents } from './events.ts'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
// Each context takes some 70 MiB where the kernel of the sandbox copies memory in large pieces, as gVisor does.
const path = await platform.sandbox({ limits: { memoryMb: 1536 } })
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

async function isBusy(context: string): Promise<boolean> {
  const { contexts } = await platform.json('GET', `${path}/contexts`)
  return contexts.some(({ id, state }: { id: string; state: string }) => context.endsWith(id) && state === 'busy')
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
  await until('it is busy', () => isBusy(context))
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

test('other languages: state, values, an environment for one call; what the sandbox lacks is said', {
  skip,
}, async () => {
  const contextOf = async (language: string) => {
    const reply = await platform.call('POST', `${path}/contexts`, { language })
    const body = await reply.json()
    return reply.status === 201 ? `${path}/contexts/${body.id}` : body
  }
  const bash = await contextOf('bash')
  await run(bash, 'x=5')
  assert.equal((await run(bash, 'echo $x $ONE', { env: { ONE: '1' } })).stdout, '5 1\n')
  assert.deepEqual((await run(bash, 'exit_() { return 3; }; exit_')).error, {
    ...{ name: 'ExitStatus', message: '3', traceback: 'exit status 3\n' },
  })
  assert.deepEqual((await run(bash, 'exit 4')).exitCode, 4)
  assert.equal((await platform.call('POST', `${bash}/execute`, { code: '1' })).status, 404)
  const hasNode = (await platform.json('POST', `${path}/execute`, { command: 'command -v node' })).exitCode === 0
  const found = await contextOf('javascript')
  if (hasNode) assert.equal((await run(found, 'const a = await 41; a + 1')).result, '42')
  else assert.match(found.message, /there is no node in this sandbox/)
})

test('a context forgets what it has been told, and what it runs is over', { skip }, async () => {
  const context = await newContext()
  await run(context, 'x = 1')
  const busy = run(context, 'import time; time.sleep(60)')
  await until('it is busy', () => isBusy(context))
  assert.equal((await platform.call('POST', `${context}/restart`)).status, 204)
  assert.deepEqual([(await busy).reason, (await run(context, 'x')).error.name], ['died', 'NameError'])
})

test('results have all their forms; what is too large, endless or no result harms nobody', { skip }, async () => {
  const context = await newContext()
  const own = 'class A:\n  def _repr_html_(self): return html\n  def _repr_png_(self): return b"png"\n'
  const { results } = await run(context, `html = "<b>ü</b>"\n${own}A.__repr__ = lambda self: "a"\ndisplay(A())\nA()`)
  const forms = { text: 'a', html: '<b>ü</b>', png: 'cG5n', extra: {} }
  assert.deepEqual(results, [
    { main: false, ...forms },
    { main: true, ...forms },
  ])
  const large = await run(context, 'html = "x" * 20_000_000\nA()')
  assert.equal(large.results[0].html, undefined)
  assert.match(large.result, /left out, for a result is 8388608 bytes at most: text\/html of 20000002 bytes/)
  const many = await run(context, 'html = "x" * 4_000_000\nfor i in range(10): display(A())')
  assert.deepEqual([many.truncated, many.results.length], [true, 4])
  const circle = await run(
    context,
    'a = []; a.append(a); d = {"__proto__": 1, (1, 2): {3}, "n": float("inf")}; display(d); a',
  )
  assert.deepEqual(circle.results[0].json, JSON.parse('{"__proto__": 1, "(1, 2)": [3], "n": null}'))
  // Frames of its own making, over the connection of its interpreter: no JSON, then far too much of it.
  const forge =
    'import socket, struct, os\nfor fd in range(3, 200):\n  try: s = socket.socket(fileno=os.dup(fd))\n  except OSError: continue\n' +
    '  def send(kind, data): s.sendall(struct.pack(">IB", len(data) + 1, kind) + data)\n' +
    '  send(0x6e, b"\\0{not json")\n  send(0x6e, b"\\0" + b"[" * 900_000)\n' +
    '  for _ in range(30): send(0x6e, b"\\1" + b"y" * 900_000)\n  send(0x6e, b"\\0{}")'
  const forged = await run(context, forge)
  assert.deepEqual([forged.reason, forged.results], ['completed', []])
})

test('bad requests are refused with the reason', { skip }, async () => {
  const create = (body: object) => platform.call('POST', `${path}/contexts`, body)
  assert.equal((await create({ language: 'cobol' })).status, 400)
  const nowhere = await create({ cwd: '/nowhere' })
  assert.equal(nowhere.status, 404)
  assert.match((await nowhere.json()).message, /\/nowhere/)
  const closed = await create({ cwd: '/root' })
  assert.equal(closed.status, 403)
  assert.match((await closed.json()).message, /may not enter \/root/)
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
