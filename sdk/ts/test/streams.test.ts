import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startWithClient } from './client.ts'

const { warren } = await startWithClient()

test('a terminal shows what is typed, knows its size and tells its exit', async () => {
  await using sandbox = await warren.sandboxes.create()
  let shown = ''
  const terminal = await sandbox.terminal({
    cols: 91,
    rows: 30,
    onData: (bytes) => {
      shown += new TextDecoder().decode(bytes)
    },
  })
  terminal.write('stty size; exit 7\n')
  assert.equal((await terminal.exit).exitCode, 7)
  assert.match(shown, /30 91/)
})

test('a port inside is reached by fetch()', async () => {
  await using sandbox = await warren.sandboxes.create()
  await sandbox.spawn(['python3', '-m', 'http.server', '8123', '--bind', '127.0.0.1', '--directory', '/tmp'])
  await sandbox.files.write('/tmp/hello.txt', 'from inside')
  assert.equal((await sandbox.ports.waitFor(8123)).port, 8123)
  const response = await sandbox.ports.fetch(8123, '/hello.txt')
  assert.equal(await response.text(), 'from inside')
  assert.equal((await sandbox.ports.fetch(8123, 'missing')).status, 404)
  assert.ok((await sandbox.ports.list()).some(({ port }) => port === 8123))
  await assert.rejects(sandbox.ports.waitFor(8124, { timeoutMs: 200 }), { code: 'timeout', message: /8124/ })
  assert.match(sandbox.ports.url(8123), new RegExp(`^http://8123-${sandbox.id}\\.localhost:\\d+/$`))
})

test('logs() has what was printed, followLogs() what comes', async () => {
  await using sandbox = await warren.sandboxes.create()
  await sandbox.exec('echo first')
  assert.ok((await sandbox.logs()).some(({ text }) => text.includes('first')))
  await sandbox.spawn('sleep 0.3; echo second')
  for await (const { text } of sandbox.followLogs({ signal: AbortSignal.timeout(10_000) })) {
    if (text.includes('second')) return
  }
  assert.fail('the log ended without it')
})
