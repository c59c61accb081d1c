import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase, temporaryHome } from '../../test/test-database.ts'
import { recordUsage } from '../metering/record-usage.ts'
import { createLogger } from '../telemetry/logger.ts'
import type { AgentSpec } from './agent.ts'
import { Agents } from './agents.ts'
import { CodeReader } from './code/code-reader.ts'
import { Experiences } from './memory/experiences.ts'
import { modelSource } from './models.ts'
import type { Run } from './run.ts'
import { RunStore } from './run-store.ts'
import { Runner } from './runner.ts'

const account = { id: 'org0', name: 'tests', maxSandboxes: 1 }
const now = () => new Date()

/** Tells of each look at a run. */
class WatchedStore extends RunStore {
  onFound: (run: Run) => void = () => {}

  override async find(accountId: string, id: string): Promise<Run> {
    const run = await super.find(accountId, id)
    this.onFound(run)
    return run
  }
}

async function openRunner(t: Parameters<typeof openTestDatabase>[0]) {
  const close: (() => Promise<void>)[] = []
  // Before its database.
  t.after(async () => {
    for (const one of close) await one()
  })
  const [db, home] = [await openTestDatabase(t), temporaryHome(t)]
  const none = { model: undefined, smallModel: undefined, vendor: undefined, url: undefined, prices: undefined }
  const models = modelSource({ ...none, api: 'anthropic', keys: [] }, () => 'c1')
  const store = new WatchedStore({ db, now, holder: 'h', recordUsage })
  const agents = new Agents({ db, models, now })
  const [experiences, codeReader] = [new Experiences(home), new CodeReader(home)]
  const runner = new Runner({
    ...{ store, models, agents, experiences, codeReader, now, secret: 'a secret of tests' },
    facts: { db, now },
    mcp: { open: [], revealSecrets: () => Promise.resolve({}) as never },
    // None of the agents of these tests has a tool that needs a sandbox.
    hands: {} as never,
    accountOf: () => Promise.resolve(account),
    logger: createLogger('warn'),
  })
  for (const one of [runner, experiences, codeReader]) close.push(() => one.close())
  return { runner, store, agents }
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
