import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isAlive, processStat } from './process-stat.ts'

test('processStat() reads name, state and start time; isAlive() knows a dead process and a reused pid', async () => {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const pid = child.pid!
  const stat = processStat(pid)!
  assert.match(stat.startTime, /^\d+$/)
  assert.ok(isAlive(pid, stat.startTime))
  assert.ok(!isAlive(pid, '1'))

  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(!isAlive(pid, stat.startTime))
})

test('processStat() answers undefined where there is no such process', () => {
  assert.equal(processStat(2 ** 22 + 1), undefined)
})
