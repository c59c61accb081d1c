import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
const mib = 1 << 20
const totalMib = 96
/** What may be on its way to somebody who reads nothing: in buffers of the kernel, and in the platform's. */
const mostMib = 24

/** Answers in pieces, and tells how many it has been rid of: a call with `asks` answers how many the one beside it has. */
const sources: Record<string, Record<string, string>> = {
  node24: {
    'index.js': `let sent = 0
    exports.handler = async ({ asks }) => asks ? sent : (async function* () {
      for (sent = 0; sent < ${totalMib}; sent++) yield Buffer.alloc(${mib}, sent)
    })()`,
  },
  python3: {
    'main.py': `sent = 0
def pieces():
    global sent
    for sent in range(${totalMib}):
        yield bytes([sent]) * ${mib}
    sent = ${totalMib}
def handler(event, context):
    return sent if event.get('asks') else pieces()
`,
  },
}
const runtimes = Object.keys(sources)

for (const [runtime, source] of Object.entries(sources)) {
  const files = Object.fromEntries(
    Object.entries(source).map(([path, text]) => [path, Buffer.from(text).toString('base64')]),
  )
  // One that has more calls than it answers slow readers.
  const settings = { concurrency: 10, maxInstances: 1, timeoutSeconds: 300 }
  await platform.json('PUT', `/v1/functions/${runtime}`, { runtime, files, settings })
}

/** Asks for the pieces, and reads nothing until somebody reads it. */
function slowClient(path: string): Socket {
  const socket = connect(platform.port, '127.0.0.1').pause()
  socket.on('error', () => {})
  after(() => socket.destroy())
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${platform.key}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`,
  )
  return socket
}

const sentOf = (runtime: string): Promise<Answer> =>
  platform.json('POST', `/v1/functions/${runtime}/invoke`, { asks: true })

/** What it is when it has stood still for a while. */
async function standing(read: () => Promise<number>): Promise<number> {
  let [last, since] = [-1, Date.now()]
  return until(
    'it stands still',
    async () => {
      const now = await read()
      if (now !== last) [last, since] = [now, Date.now()]
      return now > 0 && Date.now() - since > 1500 ? now : undefined
    },
    60_000,
  )
}

async function memoryMib(): Promise<number> {
  const status = await readFile(`/proc/${platform.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

for (const runtime of runtimes)
  for (const [way, rest] of [
    ['past the router', ''],
    ['through the router', '?version=1'],
  ])
    test(`who reads nothing makes ${runtime} wait, and gets all of it later: ${way}`, async () => {
      const before = await memoryMib()
      const socket = slowClient(`/v1/functions/${runtime}/invoke${rest}`)
      const sent = await standing(() => sentOf(runtime))
      assert.ok(sent < mostMib, `${sent} MiB of ${totalMib} were sent`)
      const grown = (await memoryMib()) - before
      assert.ok(grown < totalMib / 2, `the platform has grown by ${grown} MiB`)
      let bytes = 0
      for await (const piece of socket) bytes += piece.length
      assert.ok(bytes > totalMib * mib, `${bytes} bytes of ${totalMib} MiB`)
      assert.ok(bytes < totalMib * mib * 1.01, `${bytes} bytes of ${totalMib} MiB`)
    })

for (const runtime of runtimes)
  test(`slow readers do not hold up the other calls of an instance of ${runtime}, and those who go away free it`, async () => {
    const sockets = Array.from({ length: 8 }, () => slowClient(`/v1/functions/${runtime}/invoke`))
    await standing(() => sentOf(runtime))
    for (const socket of sockets) socket.destroy()
    await until(
      'nothing runs any more',
      async () => {
        const text = await (await platform.call('GET', '/metrics')).text()
        return /^function_calls\{state="running"\} 0$/m.test(text)
      },
      60_000,
    )
    assert.equal((await platform.json('GET', `/v1/functions/${runtime}`)).instances, 1)
  })

test('a function of Python that has one call at a time hears at its next piece that the caller has gone', async () => {
  const files = {
    'main.py': Buffer.from(`import time
made = 0
def pieces():
    global made
    for made in range(1, 100000):
        time.sleep(0.01)
        yield 'piece'
def handler(event, context):
    return made if event.get('asks') else pieces()
`).toString('base64'),
  }
  const settings = { maxInstances: 1, timeoutSeconds: 300 }
  await platform.json('PUT', '/v1/functions/alone', { runtime: 'python3', files, settings })
  const socket = slowClient('/v1/functions/alone/invoke')
  socket.resume()
  await new Promise((resolve) => socket.once('data', resolve))
  socket.destroy()
  // It waits for the other call to end, which would take a quarter of an hour.
  const made: number = await platform.json('POST', '/v1/functions/alone/invoke', { asks: true })
  assert.ok(made > 0 && made < 50_000, `${made} pieces`)
})

/** Speaks to the platform past the program that it runs in: an answer without a body, and behind it one for somebody else. */
const hostile = `const fs = require('node:fs')
const frame = (kind, id, text) => {
  const head = Buffer.alloc(9)
  head.writeUInt32BE(Buffer.byteLength(text) + 5)
  head[4] = kind
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, Buffer.from(text)])
}
const [head, chunk] = [14, 15]
exports.handler = async ({ first }) => {
  const frames = first === 'head' ? [frame(head, 1, '{"status":204}'), frame(head, 1, '{}')] : []
  fs.writeSync(3, Buffer.concat([...frames, frame(chunk, 1, 'HTTP/1.1 200 OK'), frame(chunk, 1, 'not theirs')]))
  await new Promise(() => {})
}`

for (const first of ['head', 'chunk'])
  test(`code that answers twice, or without a head, says nothing to whoever asks next on the same connection: ${first}`, async () => {
    const files = { 'index.js': Buffer.from(`${hostile} // ${first}`).toString('base64') }
    await platform.json('PUT', `/v1/functions/${first}`, { runtime: 'node24', files })
    const socket = connect(platform.port, '127.0.0.1')
    after(() => socket.destroy())
    const body = JSON.stringify({ first })
    socket.write(
      `POST /v1/functions/${first}/invoke HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${platform.key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    const { invocations } = await until('the call has failed', async () => {
      const answer = await platform.json('GET', `/v1/functions/${first}/invocations?state=failed`)
      return answer.invocations.length > 0 && answer
    })
    assert.match(invocations[0].error.message, /broke the protocol/)
    await until('it is answered', () => text !== '')
    assert.match(text, first === 'head' ? /^HTTP\/1.1 204/ : /^HTTP\/1.1 502/)
    assert.doesNotMatch(text, /not theirs/)
    assert.equal(text.match(/HTTP\/1.1/g)?.length, 1)
  })

test('who goes away while their call waits for an instance is not waited for any more, and the call is never made', async () => {
  const source = `exports.handler = async ({ n }, { signal }) =>
    n === 1 ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))) : n`
  const files = { 'index.js': Buffer.from(source).toString('base64') }
  await platform.json('PUT', '/v1/functions/one', { runtime: 'node24', files, settings: { maxInstances: 1 } })
  const begun = (n: number) => {
    const leaving = new AbortController()
    const init = { signal: leaving.signal }
    void platform.call('POST', '/v1/functions/one/invoke', { n }, init).catch(() => {})
    return leaving
  }
  const have = (state: string, count: number) =>
    until(`${count} are ${state}`, async () => {
      const text = await (await platform.call('GET', '/metrics')).text()
      return new RegExp(`^function_calls\\{state="${state}"\\} ${count}$`, 'm').test(text)
    })
  const first = begun(1)
  await have('running', 1)
  const second = begun(2)
  await have('waiting', 1)
  second.abort()
  await have('waiting', 0)
  const third = platform.json('POST', '/v1/functions/one/invoke', { n: 3 })
  await have('waiting', 1)
  first.abort()
  assert.equal(await third, 3)
  const { invocations } = await platform.json('GET', '/v1/functions/one/invocations')
  assert.deepEqual(invocations.map(({ state, result }: Answer) => [state, result]).sort(), [
    ['failed', undefined],
    ['succeeded', undefined],
  ])
})
