import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../models/message.ts'
import { textOf } from '../../models/message.ts'
import type { ModelRequest } from '../../models/model.ts'
import { type Entry, noCost } from '../journal/entry.ts'
import { MemoryJournal, Recorder } from '../journal/recorder.ts'
import { Redactor } from '../safety/redactor.ts'
import { makeRoom } from './make-room.ts'
import { Pot } from './pot.ts'
import type { Running } from './running.ts'

const answer = (text: string) => ({
  role: 'assistant' as const,
  content: [{ type: 'text' as const, text }],
  stopReason: 'end' as const,
  origin: { model: 'm' },
})

test('a summary that was made before more was said is not taken for what was said since', async () => {
  const spec = { name: 'tested', memory: { contextTokens: 4000 }, limits: { maxSteps: 1000 } }
  const started: Entry = {
    type: 'run.started',
    data: { spec, input: 'Go.', conversation: false, root: 'u', depth: 0 },
    seq: 1,
    at: 0,
  }
  const options = { journal: new MemoryJournal(), redactor: new Redactor([]), now: () => 0 }
  const recorder = new Recorder({ ...options, durability: 'every' }, [started])
  recorder.record({ type: 'thread.opened', data: { thread: 'main', system: '', text: 'Go.' } })
  let count = 0
  const say = (times: number) => {
    for (let n = 0; n < times; n++) {
      const text = `Fact ${++count}. ${'Some words. '.repeat(60)}`
      recorder.record({ type: 'message.added', data: { thread: 'main', mode: 'steer', text } })
      const data = { thread: 'main', step: count, model: 'm', message: answer('Noted.'), ms: 0, usage: noCost }
      recorder.record({ type: 'model.answered', data })
    }
  }
  let interruption = new AbortController()
  const model = {
    name: 'm',
    async *stream({ messages }: ModelRequest) {
      const facts = textOf(messages.at(-1) as Message).match(/Fact \d+/g)
      // The first time it is interrupted just as the answer comes.
      if (count === 20) interruption.abort()
      yield { type: 'done' as const, message: answer(`Summary of ${facts!.join(', ')}.`) }
    },
  }
  const run = {
    ...{ recorder, pot: new Pot({}), signal: new AbortController().signal, tools: new Map(), toolsDigest: '' },
    ...{ now: () => 0, tell: () => {}, interruption: () => interruption.signal },
    ...{ models: () => ({ model, pricesOf: () => undefined }) },
  } as Partial<Running> as Running

  say(20)
  await makeRoom(run, 'main')
  const { state } = recorder
  assert.equal(state.threads.get('main')!.compactions, 0)
  interruption = new AbortController()
  say(4)
  await makeRoom(run, 'main')
  assert.equal(state.threads.get('main')!.compactions, 1)
  const left = state.threads.get('main')!.messages.map(textOf).join('\n')
  // Of the oldest the record has no room.
  for (let n = 10; n <= 24; n++) assert.ok(new RegExp(`Fact ${n}\\b`).test(left), `fact ${n} is in it`)
  assert.deepEqual([...state.threads.keys()], ['main'])
})
