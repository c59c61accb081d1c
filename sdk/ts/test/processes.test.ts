import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, test } from 'node:test'
import { Warren } from '../src/index.ts'
import { startWithClient } from './client.ts'

const { platform, warren } = await startWithClient()

test('run() answers with what the code printed and how it ended', async () => {
  await using sandbox = await warren.sandboxes.create()
  const { stdout, exitCode } = await sandbox.run('echo $((6 * 7))', { language: 'bash' })
  assert.deepEqual({ stdout, exitCode }, { stdout: '42\n', exitCode: 0 })
})

test('exec() takes a line or arguments, and passes environment, folder and standard input on', async () => {
  await using sandbox = await warren.sandboxes.create()
  assert.equal((await sandbox.exec(['printf', '%s', '$HOME'])).stdout, '$HOME')
  const options = { env: { GREETING: '你好' }, cwd: '/tmp', stdin: 'typed' }
  assert.equal((await sandbox.exec('echo "$GREETING $PWD $(cat)"', options)).stdout, '你好 /tmp typed\n')
})

test('exec() with callbacks delivers output while it runs, and a failing program is no error', async () => {
  await using sandbox = await warren.sandboxes.create()
  const seen: string[] = []
  const result = await sandbox.exec('echo out; echo err >&2; exit 3', {
    onStdout: (text) => seen.push(`1 ${text}`),
    onStderr: (text) => seen.push(`2 ${text}`),
  })
  assert.deepEqual(seen.sort(), ['1 out\n', '2 err\n'])
  assert.deepEqual([result.stdout, result.stderr, result.exitCode], ['out\n', 'err\n', 3])
})

test('exec() is killed by its time limit, and by an abort', async () => {
  await using sandbox = await warren.sandboxes.create()
  assert.equal((await sandbox.exec('sleep 30', { timeout: 0.3 })).reason, 'timeout')
  await assert.rejects(sandbox.exec('echo $$ > /tmp/pid; sleep 30', { signal: AbortSignal.timeout(500) }), {
    name: 'TimeoutError',
  })
  const check = 'for i in $(seq 50); do kill -0 $(cat /tmp/pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1'
  assert.equal((await sandbox.exec(check)).exitCode, 0)
})

test('exec() throws what the server says about a command that is not there', async () => {
  await using sandbox = await warren.sandboxes.create()
  await assert.rejects(sandbox.exec(['no-such-command']), { code: 'not_found' })
})

test('bytes that are not UTF-8 reach the callback unharmed', async () => {
  await using sandbox = await warren.sandboxes.create()
  const bytes: number[] = []
  await sandbox.exec(`printf '\\377\\000a'`, { onStdout: (_, chunk) => bytes.push(...chunk.bytes) })
  assert.deepEqual(bytes, [255, 0, 97])
})

test('a spawned process is written to, read, signalled and waited for', async () => {
  await using sandbox = await warren.sandboxes.create()
  const cat = await sandbox.spawn(['cat'], { stdin: true, tag: 'echo' })
  await cat.write('hello ')
  await cat.write(new TextEncoder().encode('again'))
  await cat.closeStdin()
  let text = ''
  for await (const chunk of cat.output()) text += chunk.text
  assert.equal(text, 'hello again')
  const listed = (await sandbox.processes.list()).find(({ id }) => id === cat.id)
  assert.deepEqual([listed?.tag, listed?.state, listed?.exitCode], ['echo', 'exited', 0])

  const sleeper = await sandbox.spawn('sleep 100')
  await sleeper.signal('SIGTERM')
  assert.equal((await sandbox.processes.get(sleeper.id).wait()).reason, 'signaled')
})

test('a spawned process has its pid, and wait() answers after its callbacks have had everything', async () => {
  await using sandbox = await warren.sandboxes.create()
  const seen: string[] = []
  const child = await sandbox.spawn('echo $$; echo err >&2; sleep 0.2; echo last', {
    onStdout: (text) => seen.push(text),
    onStderr: (text) => seen.push(text),
  })
  assert.ok(child.pid && child.pid > 0)
  assert.equal((await child.wait()).exitCode, 0)
  const text = seen.join('')
  for (const part of [`${child.pid}\n`, 'err\n', 'last\n']) assert.ok(text.includes(part), text)

  const again: string[] = []
  await sandbox.processes.get(child.id).wait({ onStdout: (text) => again.push(text) })
  assert.match(again.join(''), /last\n$/)
})

test('what a callback of spawn() throws is what wait() rejects with', async () => {
  await using sandbox = await warren.sandboxes.create()
  const child = await sandbox.spawn('echo x', {
    onStdout: () => {
      throw new RangeError('mine')
    },
  })
  await assert.rejects(child.wait(), RangeError)
})

test('the output of a process goes on without a gap when the server is killed and started again', async () => {
  const forwarder = await forwardTo(() => platform.port)
  const client = new Warren({ baseUrl: forwarder.url, apiKey: platform.key })
  await using sandbox = await client.sandboxes.create()
  const counter = await sandbox.spawn('for i in $(seq 1 40); do echo $i; sleep 0.05; done')
  let text = ''
  let restarted: Promise<void> | undefined
  for await (const chunk of counter.output()) {
    text += chunk.text
    restarted ??= platform.kill('SIGKILL').then(() => platform.start())
  }
  await restarted
  assert.equal(text, Array.from({ length: 40 }, (_, index) => `${index + 1}\n`).join(''))
})

/** One address for a platform that takes another port at every start. */
async function forwardTo(port: () => number): Promise<{ url: string }> {
  const server = net.createServer((inbound) => {
    const outbound = net.connect(port(), '127.0.0.1')
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  after(() => {
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}` }
}
