import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome } from '../../models/model.ts'
import type { Entry } from '../journal/entry.ts'
import { MemoryJournal, Recorder } from '../journal/recorder.ts'
import { Redactor } from '../safety/redactor.ts'
import { askModel } from './ask-model.ts'
import { Pot } from './pot.ts'
import type { Running } from './running.ts'

const done: Outcome = {
  type: 'done',
  message: {
    ...{ role: 'assistant', content: [], stopReason: 'end', origin: {} },
    usage: { inputTokens: 100, outputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  },
}

/** A run whose question takes a hundred tokens, a millionth of a dollar each. */
function running(pot: Pot, answer: () => Promise<Outcome>): Running {
  const started: Entry = {
    type: 'run.started',
    data: { spec: { name: 'tested' }, input: 'Go.', conversation: false, root: 'u', depth: 0 },
    seq: 1,
    at: 0,
  }
  const options = { journal: new MemoryJournal(), redactor: new Redactor([]), now: () => 0 }
  const recorder = new Recorder({ ...options, durability: 'every' }, [started])
  recorder.record({ type: 'thread.opened', data: { thread: 'main', system: '', text: 'x'.repeat(400) } })
  const model = {
    name: 'm',
    async *stream() {
      yield await answer()
    },
  }
  const { signal } = new AbortController()
  return {
    ...{ recorder, pot, signal, tools: new Map(), toolsDigest: '', now: () => 0, tell: () => {} },
    ...{ interruption: () => signal, models: () => ({ model, pricesOf: () => ({ input: 1, output: 10 }) }) },
  } as Partial<Running> as Running
}

/** Asks a model whose one answer ends so; tells what the run has to pay then. */
async function usageAfter(outcome: Outcome) {
  const pot = new Pot({})
  const run = running(pot, async () => outcome)
  const { recorder } = run
  await askModel(run, { thread: 'main' })
  assert.deepEqual(pot.spent, recorder.state.usage)
  assert.deepEqual(recorder.state.metered, recorder.state.usage)
  return recorder.state.usage
}

test('an answer that breaks off is paid: as the vendor counted it, else by its length, and not where nothing came', async () => {
  const failure = { code: 'network' as const, message: 'it broke off' }
  const content = [{ type: 'text' as const, text: 'y'.repeat(400) }]
  const partial = { role: 'assistant' as const, content, stopReason: 'end' as const, origin: { model: 'm' } }

  const estimated = await usageAfter({ type: 'failed', failure, partial })
  assert.equal(estimated.estimated, true)
  assert.ok(estimated.inputTokens >= 100 && estimated.outputTokens >= 100, JSON.stringify(estimated))
  assert.equal(estimated.usd, (estimated.inputTokens + 10 * estimated.outputTokens) / 1_000_000)

  const counted = await usageAfter({
    ...{ type: 'failed', failure },
    partial: {
      ...partial,
      usage: { inputTokens: 7, outputTokens: 3, cachedInputTokens: 2, cacheWriteTokens: 0, reasoningTokens: 0 },
    },
  })
  assert.deepEqual([counted.inputTokens, counted.outputTokens, counted.estimated], [7, 3, undefined])

  assert.equal((await usageAfter({ type: 'failed', failure })).inputTokens, 0)
})

test('runs that ask at the same time share what is left: whoever is second has what the first leaves of it', async () => {
  for (const [budget, most] of [
    [{ maxTokens: 150 }, 1],
    [{ maxTokens: 250 }, 2],
    [{ maxUsd: 0.00015 }, 1],
    [{ maxUsd: 0.00025 }, 2],
  ] as const) {
    const pot = new Pot(budget)
    const answers = Promise.withResolvers<Outcome>()
    const asked = [1, 2, 3].map(() => running(pot, () => answers.promise))
    const ends = asked.map((run) => askModel(run, { thread: 'main' }))
    await new Promise(setImmediate)
    answers.resolve(done)
    const reasons = (await Promise.all(ends)).map((end) => end?.reason)
    assert.equal(reasons.filter((reason) => reason === undefined).length, most, JSON.stringify([budget, reasons]))
    assert.ok(reasons.slice(most).every((reason) => /budget/.test(reason!)))
    assert.equal(pot.spent.inputTokens, 100 * most, 'nothing stays reserved')
  }
})
