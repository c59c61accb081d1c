import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase, temporaryHome } from '../../test/test-database.ts'
import { recordUsage } from '../metering/record-usage.ts'
import { createQuotas } from '../quotas/quotas.ts'
import { createLogger } from '../telemetry/logger.ts'
import type { AgentSpec } from './agent.ts'
import { Agents } from './agents.ts'
import { CodeReader } from './code/code-reader.ts'
import { type Entry, type Fact, noCost } from './journal/entry.ts'
import { recorded } from './journal/recorded.ts'
import { Documents } from './memory/documents.ts'
import { Experiences } from './memory/experiences.ts'
import { modelSource } from './models.ts'
import type { Run } from './run.ts'
import { RunSnapshots } from './run-snapshots.ts'
import { RunStore } from './run-store.ts'
import { Runner } from './runner.ts'

const account = { id: 'org0', name: 'tests', maxSandboxes: 1 }

/** Tells of each look at a run. */
class WatchedStore extends RunStore {
  onFound: (run: Run) => void = () => {}

  override async find(accountId: string, id: string): Promise<Run> {
    const run = await super.find(accountId, id)
    this.onFound(run)
    return run
  }
}

async function openRunner(t: Parameters<typeof openTestDatabase>[0], now = () => new Date()) {
  const close: (() => Promise<void>)[] = []
  // Before its database.
  t.after(async () => {
    for (const one of close) await one()
  })
  const [db, home] = [await openTestDatabase(t), temporaryHome(t)]
  const none = { model: undefined, smallModel: undefined, vendor: undefined, url: undefined, prices: undefined }
  const models = modelSource({ ...none, fallback: undefined, api: 'anthropic', keys: [] }, () => 'c1')
  const logger = createLogger('warn')
  const accountOf = () => Promise.resolve(account)
  // None of the agents of these tests has a tool that needs a sandbox.
  const hands = {} as never
  const snapshots = new RunSnapshots({ db, hands, accountOf, logger })
  const budget = createQuotas({ db, defaults: {}, now }).agentBudget
  const store = new WatchedStore({ db, now, holder: 'h', recordUsage, budget, snapshots })
  const agents = new Agents({ db, models, now, forgetMemory: async () => {} })
  const [experiences, codeReader] = [new Experiences(home), new CodeReader(home)]
  const runner = new Runner({
    ...{ store, models, agents, experiences, codeReader, now, secret: 'a secret of tests' },
    facts: { db, now },
    documents: new Documents({ db, now, meanings: undefined, builtInAgents: [] }),
    mcp: { open: [], revealSecrets: () => Promise.resolve({}) as never },
    ...{ hands, snapshots, accountOf, logger },
    traceContents: false,
  })
  for (const one of [runner, experiences, codeReader]) close.push(() => one.close())
  return { runner, store, agents, db }
}

test('a run waits in peace for one that it has spawned and that waits for a human', async (t) => {
  const { runner, store, agents } = await openRunner(t)
  const asks = { calls: [{ name: 'ask_human', arguments: { question: 'May I?' } }] }
  const child: AgentSpec = { name: 'child', model: 'scripted', tools: ['ask_human'] }
  await agents.put(account, { ...child, script: [asks, { text: 'I may.' }] })
  const spawns = { calls: [{ name: 'spawn_agent', arguments: { agent: 'child', task: 'Ask.' } }] }
  const spec: AgentSpec = { name: 'parent', model: 'scripted', tools: ['spawn_agent'] }
  const started = { input: 'Go.', conversation: false, root: 'u1', depth: 0 }
  await store.create({
    id: 'u1',
    accountId: account.id,
    started: { ...started, spec: { ...spec, script: [spawns, { text: '{{result 1}}' }] } },
  })

  let settled = 0
  let childId = ''
  let looks = 0
  const seenOften = new Promise<void>((resolve) => {
    store.onFound = ({ id, parentId, state }) => {
      if (!parentId) return
      if (!childId) runner.heard.on(`settled:${id}`, () => settled++)
      childId = id
      if (state === 'waiting' && ++looks === 3) resolve()
    }
  })
  const ended = new Promise<void>((resolve) => void runner.heard.once('settled:u1', resolve))
  runner.wake('u1')
  await seenOften
  assert.equal(settled, 1, 'nobody tried to carry it on while it waited')
  assert.equal(runner.heard.listenerCount(`settled:${childId}`), 2, "this test's and one of its parent")

  runner.live('u1')?.cancel()
  await ended
  assert.equal(runner.heard.listenerCount(`settled:${childId}`), 1)
})

test('what a process that is gone did of a turn is told with it, and what was settled before is not told again', async (t) => {
  const noon = Date.parse('2026-01-01T12:00:00Z')
  const { runner, store, db } = await openRunner(t, () => new Date(noon + 1_000_000))
  const spec: AgentSpec = { name: 'talks', model: 'scripted', script: [{ text: 'One.' }, { text: 'Two.' }] }
  const started = { spec, input: 'Go.', conversation: true, root: 'u1', depth: 0 }
  await store.create({ id: 'u1', accountId: account.id, started })
  const place = { thread: 'main', step: 1 }
  const usage = { inputTokens: 10, outputTokens: 5, cachedInputTokens: 0, usd: 0 }
  const content = [{ type: 'text' as const, text: 'One.' }]
  const message = { role: 'assistant' as const, content, stopReason: 'end' as const, origin: { model: 'm' } }

  const first = (await store.claim('u1'))!
  const facts: [number, Fact][] = [
    [0, { type: 'thread.opened', data: { thread: 'main', system: '', text: 'Go.' } }],
    [0, { type: 'model.asked', data: { ...place, model: 'm', digest: '' } }],
    [30, { type: 'model.answered', data: { ...place, model: 'm', message, ms: 1, usage } }],
    [40, { type: 'run.waits', data: { for: 'message' } }],
  ]
  const entries = facts.map(
    ([seconds, fact], index) => ({ ...fact, seq: index + 2, at: noon + seconds * 1000 }) as Entry,
  )
  const rest = { reason: 'message', result: {}, steps: 1, facts: [] }
  const settledUsage = { ...usage, children: noCost, metered: usage }
  await store.settle(first, entries.map(recorded), { state: 'waiting', ...rest, usage: settledUsage })
  // As it was written before tokens were counted.
  await db.pool.query(`update agent_runs set usage = usage::jsonb - 'metered'`)

  await store.inbox.add('u1', 'steer', { text: 'And?' })
  assert.ok(await store.requeue('u1'))
  const second = (await store.claim('u1'))!
  // It takes the run up, and is gone 20 seconds later.
  await store.journal
    .of('u1', second.fence)
    .append([
      recorded({ type: 'run.resumed', data: { fence: second.fence }, seq: 6, at: noon + 100_000 }),
      recorded({ type: 'message.added', data: { text: 'So?', mode: 'steer', id: 'g1' }, seq: 7, at: noon + 120_000 }),
    ])

  const ended = new Promise<void>((resolve) => void runner.heard.once('settled:u1', resolve))
  runner.wake('u1')
  await ended
  const [fact, ...more] = await db.kysely.selectFrom('usage_facts').selectAll().where('subject', '=', 'u1').execute()
  assert.equal(more.length, 0)
  assert.equal(fact!.ended_at.getTime() - fact!.started_at.getTime(), 20_000)
  assert.deepEqual([fact!.model_input_tokens, fact!.model_output_tokens].map(Number), [0, 0])
  assert.equal((await store.find(account.id, 'u1')).result.output, 'Two.')
})
