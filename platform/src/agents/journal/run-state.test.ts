import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutAt, effective } from '../replay/cut.ts'
import type { Cost, Entry, Fact, RunStarted } from './entry.ts'
import { stateOf } from './run-state.ts'

const usage: Cost = { inputTokens: 10, outputTokens: 2, cachedInputTokens: 1, usd: 0.5 }
const ofChild: Cost = { inputTokens: 100, outputTokens: 20, cachedInputTokens: 0, usd: 2 }
const started: RunStarted = { spec: { name: 'tested' }, input: 'Go.', conversation: false, root: 'u', depth: 0 }

/** A journal that is written entry by entry; the time of each is its number. */
class Written {
  readonly entries: Entry[] = []

  constructor() {
    this.add({ type: 'run.started', data: started })
    this.add({ type: 'thread.opened', data: { thread: 'main', system: '', text: 'Go.' } })
  }

  add(fact: Fact): number {
    const seq = this.entries.length + 1
    this.entries.push({ ...fact, seq, at: seq } as Entry)
    return seq
  }

  /** The model calls a tool, which spawns a run; a message comes, and it ends. */
  step(step: number, message: string): void {
    const place = { thread: 'main', step }
    const call = `call ${step}`
    this.add({ type: 'model.asked', data: { ...place, model: 'm', digest: '' } })
    const content = [{ type: 'tool_call' as const, id: call, name: 'spawn_agent', arguments: {} }]
    const origin = { model: 'm' }
    const answer = { role: 'assistant' as const, content, stopReason: 'tool_calls' as const, origin }
    this.add({ type: 'model.answered', data: { ...place, model: 'm', message: answer, ms: 1, usage } })
    const ended = { call, tool: 'spawn_agent', text: `${step}`, ms: 1, attempts: 1, effect: 'idempotent' as const }
    this.add({ type: 'tool.ended', data: { ...place, ...ended, status: 'done', usage: ofChild } })
    this.add({ type: 'message.added', data: { text: message, mode: 'steer', id: message } })
  }

  rollBack(step: number): void {
    this.add({ type: 'run.ended', data: { reason: 'cancelled' } })
    const { seq } = cutAt(this.entries, step, new Set())!
    this.add({ type: 'run.rolled_back', data: { to: seq, step, disk: 'snapshot s1', snapshot: 's1' } })
  }
}

test('a run that was rolled back 200 times has paid for all of it, and goes on from where it is', () => {
  const journal = new Written()
  for (let round = 0; round < 200; round++) {
    // Three steps further and two back: rollbacks are in what the next ones keep; each tenth takes it back to the first step.
    const from = stateOf(journal.entries)!.steps
    for (const step of [1, 2, 3]) journal.step(from + step, `message ${round} ${step}`)
    journal.rollBack(round % 10 === 9 ? 1 : from + 1)
  }
  const state = stateOf(journal.entries)!
  assert.deepEqual(state.metered, { inputTokens: 6000, outputTokens: 1200, cachedInputTokens: 600, usd: 300 })
  assert.deepEqual(state.childUsage, { inputTokens: 60_000, outputTokens: 12_000, cachedInputTokens: 0, usd: 1200 })
  assert.deepEqual([state.usage.inputTokens, state.usage.usd], [66_000, 1500])
  assert.equal(state.received.size, 600)
  assert.deepEqual([state.steps, state.threads.get('main')!.messages.length], [1, 4])
  assert.deepEqual([state.end, state.sandbox, state.sandboxFrom], [undefined, undefined, 's1'])
  assert.deepEqual([state.seq, state.turn.at], [journal.entries.length, journal.entries.length])
})

test('a rollback that is itself undone has no say', () => {
  const journal = new Written()
  journal.step(1, 'a')
  journal.step(2, 'b')
  journal.rollBack(1)
  journal.step(2, 'c')
  journal.rollBack(0)
  journal.step(1, 'd')
  const state = stateOf(journal.entries)!
  const said = state.threads
    .get('main')!
    .messages.flatMap(({ role, content }) =>
      role === 'user' ? content.map((part) => (part.type === 'text' ? part.text : '')) : [],
    )
  assert.deepEqual(said, ['Go.', 'd'])
  assert.deepEqual([...state.received], ['a', 'b', 'c', 'd'])
  assert.equal(state.usage.inputTokens, 4 * 110)
  const first = journal.entries.slice(0, 2)
  assert.deepEqual(effective(journal.entries), [...first, ...journal.entries.slice(-4)])
})
