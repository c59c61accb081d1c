import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from './run-command.ts'

const timeoutMs = 10_000

test('runCommand() answers with the output and the exit code', async () => {
  const result = await runCommand(['sh', '-c', 'cat; echo bad >&2; exit 3'], { timeoutMs, input: 'good' })
  assert.deepEqual(result, {
    ok: false,
    exitCode: 3,
    stdout: 'good',
    stderr: 'bad\n',
    failure: 'ended with exit code 3: bad',
  })
})

test('runCommand() tells of a command that is not installed', async () => {
  const result = await runCommand(['no-such-command-here'], { timeoutMs })
  assert.equal(result.failure, 'is not installed')
})

test('runCommand() kills what takes too long', async () => {
  const result = await runCommand(['sleep', '60'], { timeoutMs: 50 })
  assert.equal(result.failure, 'did not end within 50 ms')
})

test('runCommand() ends when its signal is aborted', async () => {
  const result = await runCommand(['sleep', '60'], { timeoutMs, signal: AbortSignal.timeout(30) })
  assert.equal(result.failure, 'was cancelled')
})

test('runCommand() keeps the last part of a long output', async () => {
  const result = await runCommand(['sh', '-c', 'head -c 1000000 /dev/zero; echo end'], { timeoutMs, keepBytes: 100 })
  assert.equal(result.stdout.length, 100)
  assert.ok(result.stdout.endsWith('end\n'))
})

test('runCommand() does not wait for a background child that holds its output', async () => {
  const started = Date.now()
  const result = await runCommand(['sh', '-c', 'sleep 30 & echo done'], { timeoutMs })
  assert.equal(result.stdout, 'done\n')
  assert.ok(Date.now() - started < 5000)
})
