import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { calculator } from '../tools/calculator.ts'
import { runTool } from '../tools/run-tool.ts'
import { stopOf } from './interruption.ts'
import type { Running } from './running.ts'

function interruptible() {
  const run = new AbortController()
  let message = new AbortController()
  const running = { signal: run.signal, interruption: () => message.signal } as Partial<Running> as Running
  const interrupt = () => {
    message.abort()
    message = new AbortController()
  }
  return { running, cancel: () => run.abort(), interrupt }
}

test('what stops a conversation is one signal until a message interrupts, then another one; only the main one reads messages', () => {
  const { running, interrupt, cancel } = interruptible()
  const first = stopOf(running, 'main')
  assert.equal(stopOf(running, 'main'), first)
  assert.equal(stopOf(running, 'plan'), running.signal)
  interrupt()
  assert.deepEqual([first.aborted, stopOf(running, 'plan').aborted], [true, false])
  const second = stopOf(running, 'main')
  assert.equal(second.aborted, false)
  cancel()
  assert.deepEqual([second.aborted, stopOf(running, 'plan').aborted], [true, true])
})

test('a call that is over leaves nothing with the signal of its run, and one that is stopped hears of it', async () => {
  const { running, interrupt } = interruptible()
  const stop = stopOf(running, 'main')
  const redactor = { result: (text: string) => text }
  const run = { ...running, id: 'u1', now: () => 0, redactor } as Partial<Running> as Running
  const call = { type: 'tool_call' as const, id: 'c1', name: 'calculator', arguments: { expression: '6 * 7' } }
  for (let time = 0; time < 3; time++)
    assert.equal((await runTool(run, { tool: calculator, call, key: 'k', stop })).text, '42')
  assert.equal(getEventListeners(stop, 'abort').length, 0)

  const heard = Promise.withResolvers<string>()
  const waits = {
    ...calculator,
    handler: ({ signal }: { signal: AbortSignal }) => {
      signal.addEventListener('abort', () => heard.resolve('stopped'))
      return heard.promise
    },
  }
  const ran = runTool(run, { tool: waits, call, key: 'k', stop })
  interrupt()
  assert.equal((await ran).text, 'stopped')
})
