import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { allEvents, eventsOf } from './events.ts'
import { type Answer, type Reply, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const sandbox = await platform.sandbox({ timeout: 3600 })
const start = async (body: object): Promise<string> => {
  const { id } = await platform.json('POST', `${sandbox}/processes`, body)
  return `${sandbox}/processes/${id}`
}
const output = async (path: string, query = ''): Promise<Reply> => platform.call('GET', `${path}/output${query}`)

async function readAll(response: Reply): Promise<{ stdout: string; exit: Answer; firstOffset: Answer }> {
  const events = await allEvents(response)
  const out = events.filter(({ event }) => event === 'stdout')
  return {
    stdout: out.map(({ data }) => data.data).join(''),
    firstOffset: out[0]?.data.offset,
    exit: events.find(({ event }) => event === 'exit')?.data,
  }
}

test('a process goes on by itself and is listed while it runs and when it has ended', async () => {
  const path = await start({ command: ['sh', '-c', 'sleep 0.5; exit 4'], tag: 'mine', env: { A: 'b' } })
  const find = async () => {
    const { processes } = await platform.json('GET', `${sandbox}/processes`)
    return processes.find(({ id }: Answer) => id === path.split('/').at(-1))
  }
  const running = await find()
  assert.deepEqual(
    [running.state, running.tag, running.command, running.user, running.pty],
    ['running', 'mine', ['sh', '-c', 'sleep 0.5; exit 4'], 'user', false],
  )
  assert.ok(Math.abs(Date.parse(running.startedAt) - Date.now()) < 5000)
  const exited = await until('it has exited', async () => {
    const process = await find()
    return process.state === 'exited' && process
  })
  assert.equal(exited.exitCode, 4)
})

test('output is read by several at once, later again, and from any offset on', async () => {
  const path = await start({ command: 'for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done' })
  const [one, two] = await Promise.all([output(path).then(readAll), output(path).then(readAll)])
  const whole = 'line 1\nline 2\nline 3\nline 4\nline 5\n'
  assert.deepEqual([one.stdout, two.stdout, one.exit.exitCode], [whole, whole, 0])
  const later = await readAll(await output(path, '?stdoutOffset=14'))
  assert.deepEqual([later.stdout, later.firstOffset, later.exit.exitCode], [whole.slice(14), 14, 0])
})

test('a client that goes away leaves the process alone', async () => {
  const path = await start({ command: 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.15; done' })
  const controller = new AbortController()
  const response = await platform.call('GET', `${path}/output`, undefined, { signal: controller.signal })
  for await (const { event } of eventsOf(response)) if (event === 'stdout') break
  controller.abort()
  assert.equal((await readAll(await output(path))).stdout, '1\n2\n3\n4\n5\n6\n')
})

test('standard input is written piece by piece and closed', async () => {
  const path = await start({ command: ['cat'], stdin: true })
  assert.equal((await platform.call('POST', `${path}/stdin`, 'hello ')).status, 204)
  assert.equal((await platform.call('POST', `${path}/stdin?eof=true`, Buffer.from('world'))).status, 204)
  const { stdout, exit } = await readAll(await output(path))
  assert.deepEqual([stdout, exit.exitCode], ['hello world', 0])
})

test('input for a process that takes none, none any more, or has ended is refused with what to do', async () => {
  const refused = async (path: string, rest: string, body: string | Uint8Array | object) => {
    const response = await platform.call('POST', `${path}${rest}`, body)
    const { code, message, hint, details } = await response.json()
    assert.deepEqual([response.status, code], [409, 'conflict'], message)
    assert.ok(hint, message)
    return details.reason
  }
  const much = Buffer.alloc(3_000_000, 'a')
  const deaf = await start({ command: ['sleep', '60'] })
  assert.equal(await refused(deaf, '/stdin', 'x'), 'stdin_closed')
  assert.equal(await refused(deaf, '/stdin', much), 'stdin_closed')
  assert.equal(await refused(deaf, '/stdin?eof=true', ''), 'stdin_closed')
  await platform.call('DELETE', deaf)

  // It hears the end of its input and goes on.
  const patient = await start({ command: 'cat; exec sleep 60', stdin: true })
  assert.equal((await platform.call('POST', `${patient}/stdin?eof=true`, 'x')).status, 204)
  assert.equal(await refused(patient, '/stdin', 'x'), 'stdin_closed')
  await platform.call('DELETE', patient)

  for (const stdin of [false, true]) {
    const ended = await start({ command: ['true'], stdin })
    await readAll(await output(ended))
    // Whichever is heard first.
    for (const [rest, body] of [
      ['/stdin', 'x'],
      ['/stdin', much],
      ['/stdin?eof=true', ''],
    ] as const)
      assert.match(await refused(ended, rest, body), /^(?:ended|stdin_closed)$/)
    const { status } = await platform.call('POST', `${ended}/resize`, { cols: 80, rows: 24 })
    assert.ok(status === 400 || status === 409, `${status}`)
  }
  const sated = await start({ command: ['head', '-c', '10'], stdin: true })
  assert.match(await refused(sated, '/stdin', much), /^(?:ended|stdin_closed)$/)
})

test('signals reach the process and its children, by name and by number', async () => {
  const trapping = await start({ command: 'trap "echo got it; exit 9" USR1; while :; do sleep 0.05; done' })
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal((await platform.call('POST', `${trapping}/signal`, { signal: 'SIGUSR1' })).status, 204)
  const { stdout, exit } = await readAll(await output(trapping))
  assert.deepEqual([stdout.trim(), exit.exitCode], ['got it', 9])

  const sleeping = await start({ command: ['sleep', '60'] })
  assert.equal((await platform.call('DELETE', sleeping)).status, 204)
  assert.deepEqual((await readAll(await output(sleeping))).exit.signal, 'SIGKILL')
  const bad = await platform.call('POST', `${sleeping}/signal`, { signal: 'SIGNOTHING' })
  assert.match((await bad.json()).message, /not "SIGNOTHING"/)
})

test('a process that is not there is a 404', async () => {
  for (const [method, rest, body] of [
    ['GET', '/output', undefined],
    ['POST', '/signal', { signal: 15 }],
    ['POST', '/stdin', 'x'],
    ['POST', '/resize', { cols: 80, rows: 24 }],
    ['DELETE', '', undefined],
  ] as const) {
    const response = await platform.call(method, `${sandbox}/processes/99999${rest}`, body)
    assert.deepEqual([rest, response.status, (await response.json()).code], [rest, 404, 'not_found'])
  }
})

test('a terminal over WebSocket shows, takes input, knows its size and tells how it ended', async () => {
  const terminal = await openTerminal(`/terminal?cols=91&rows=31&command=${encodeURIComponent('exec bash --norc -i')}`)
  terminal.socket.send(Buffer.from('tty && stty size && echo $((40+2))=answer\n'))
  await until('the answer is shown', () => terminal.shown().includes('42=answer'))
  assert.match(terminal.shown(), /\/dev\/pts\/\d+/)
  assert.match(terminal.shown(), /31 91/)

  terminal.socket.send(JSON.stringify({ type: 'resize', cols: 120, rows: 40 }))
  terminal.socket.send(Buffer.from('stty size\n'))
  await until('the new size is shown', () => terminal.shown().includes('40 120'))
  terminal.socket.send(JSON.stringify({ type: 'resize', cols: -1 }))
  await until('a bad message is answered', () => terminal.told.some(({ type }) => type === 'error'))

  terminal.socket.send(Buffer.from('exit 7\n'))
  const exit = await until('it ended', () => terminal.told.find(({ type }) => type === 'exit'))
  assert.deepEqual([exit.exitCode, exit.reason], [7, 'exited'])
  await until('the connection is closed', () => terminal.socket.readyState === WebSocket.CLOSED)
})

test('a terminal whose window is closed is hung up', async () => {
  const terminal = await openTerminal(`/terminal?command=${encodeURIComponent('exec sleep 3333')}`)
  const { processId } = await until('it started', () => terminal.told.find(({ type }) => type === 'started'))
  terminal.socket.close()
  await until('it has ended', async () => {
    const { processes } = await platform.json('GET', `${sandbox}/processes`)
    return processes.find(({ id }: Answer) => id === processId)?.state === 'exited'
  })
})

test('a running process in a terminal can be joined, and is left alone again', async () => {
  const path = await start({ command: ['cat'], pty: { cols: 80, rows: 24 } })
  const first = await openTerminal(`${path.slice(sandbox.length)}/attach`)
  first.socket.send(Buffer.from('echo me\n'))
  await until('it is echoed', () => first.shown().includes('echo me'))
  first.socket.close()
  const second = await openTerminal(`${path.slice(sandbox.length)}/attach`, { asProtocol: true })
  await until('what was shown before is shown again', () => second.shown().includes('echo me'))
  await platform.call('DELETE', path)
  await until('the end is told', () => second.told.some(({ type }) => type === 'exit'))
})

interface OpenTerminal {
  socket: WebSocket
  shown: () => string
  told: Answer[]
}

function openTerminal(path: string, how: { asProtocol?: boolean } = {}): Promise<OpenTerminal> {
  const url = platform.url.replace('http', 'ws') + sandbox + path
  // As a browser has to: it cannot send headers.
  const socket = how.asProtocol
    ? new WebSocket(url, ['warren', `warren.key.${platform.key}`])
    : new WebSocket(url, { headers: { 'x-api-key': platform.key } })
  let shown = ''
  const told: Answer[] = []
  socket.on('message', (data, isBinary) => {
    if (isBinary) shown += data
    else told.push(JSON.parse(String(data)))
  })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve({ socket, told, shown: () => shown }))
    socket.once('error', reject)
  })
}
