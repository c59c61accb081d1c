import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestDatabase } from '../../test/test-database.ts'
import { recordUsage } from '../metering/record-usage.ts'
import { createQuotas } from '../quotas/quotas.ts'
import type { Database } from '../storage/database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { type Entry, noCost } from './journal/entry.ts'
import { recorded } from './journal/recorded.ts'
import { Superseded } from './journal/recorder.ts'
import { RunSnapshots } from './run-snapshots.ts'
import { RunStore } from './run-store.ts'

/** Of runs that have no sandboxes. */
function storeOf(db: Database): RunStore {
  const now = () => new Date()
  const logger = createLogger('warn')
  const snapshots = new RunSnapshots({ db, hands: {} as never, accountOf: () => Promise.reject(), logger })
  const budget = createQuotas({ db, defaults: {}, now }).agentBudget
  return new RunStore({ db, now, holder: 'h', recordUsage, budget, snapshots })
}

/** Too long to be in an entry: it is kept beside it. */
const long = 'It is long. '.repeat(2000)

test('as many runs at once as there are connections are made, settled and changed, each with what is kept beside it', async (t) => {
  const db = await openTestDatabase(t)
  const store = storeOf(db)
  const ids = Array.from({ length: db.pool.options.max }, (_, index) => `u${index}`)
  const accountId = 'org0'

  const spec = { name: 'tested' }
  await Promise.all(
    ids.map((id) => {
      const started = { spec, input: long, conversation: false, root: id, depth: 0 }
      return store.create({ id, accountId, started })
    }),
  )
  const claimed = await Promise.all(ids.map((id) => store.claim(id)))
  await Promise.all(
    claimed.map(async (run) => {
      const said = { type: 'message.added', data: { text: `settled ${long}`, mode: 'steer' } }
      const usage = { ...noCost, children: noCost, metered: noCost }
      const settlement = { state: 'waiting' as const, result: {}, steps: 0, usage, facts: [] }
      await store.settle(run!, [recorded({ ...said, seq: 2, at: 1 } as Entry)], settlement)
    }),
  )
  const changed = await Promise.all(
    ids.map((id) =>
      store.change(accountId, id, (run, entries) => {
        assert.deepEqual([run.state, entries.length], ['waiting', 2])
        return [{ type: 'message.added', data: { text: `changed ${long}`, mode: 'steer' } }]
      }),
    ),
  )
  assert.ok(changed.every(({ state }) => state === 'queued'))

  for (const id of ids) {
    const [started, ...messages] = await store.journal.read(id)
    assert.equal(started?.type === 'run.started' && started.data.input, long)
    assert.deepEqual(
      messages.map((entry) => entry.type === 'message.added' && entry.data.text),
      [`settled ${long}`, `changed ${long}`],
    )
  }
})

test('a run and what is told of it are written together or not at all', async (t) => {
  const db = await openTestDatabase(t)
  const store = storeOf(db)
  const accountId = 'org0'
  const create = (id: string, onceKey?: string) => {
    const started = { spec: { name: 'tested' }, input: 'Go.', conversation: true, root: id, depth: 0 }
    return store.create({ id, accountId, started, ...(onceKey && { onceKey }) })
  }
  const told = async () => (await db.pool.query('select type from events order by seq')).rows.map(({ type }) => type)
  const refuse = () => db.pool.query('alter table events add constraint refused check (false) not valid')
  const allow = () => db.pool.query('alter table events drop constraint refused')
  const settlement = (state: 'waiting' | 'done') => {
    const usage = { ...noCost, children: noCost, metered: noCost }
    return { state, reason: state === 'done' ? 'completed' : 'message', result: {}, steps: 0, usage, facts: [] }
  }

  await refuse()
  await assert.rejects(create('u0'), /refused/)
  await assert.rejects(store.find(accountId, 'u0'), { code: 'not_found' })
  await allow()
  await create('u0', 'once')
  await create('u1', 'once')
  assert.deepEqual(await told(), ['run.started'], 'the second was the first')

  const run = (await store.claim('u0'))!
  await refuse()
  await assert.rejects(store.settle(run, [], settlement('waiting')), /refused/)
  assert.equal((await store.find(accountId, 'u0')).state, 'running')
  await allow()
  await store.settle(run, [], settlement('waiting'))
  await assert.rejects(store.settle({ ...run, fence: run.fence - 1 }, [], settlement('done')), Superseded)

  await refuse()
  await assert.rejects(store.requeue('u0'), /refused/)
  assert.equal((await store.find(accountId, 'u0')).state, 'waiting')
  await allow()
  assert.deepEqual([await store.requeue('u0'), await store.requeue('u0')], [true, false])
  await store.settle((await store.claim('u0'))!, [], settlement('done'))

  await refuse()
  const rollback = () =>
    store.change(accountId, 'u0', () => [{ type: 'run.rolled_back', data: { to: 1, step: 0, disk: 'none' } }])
  await assert.rejects(rollback(), /refused/)
  assert.equal((await store.find(accountId, 'u0')).state, 'done')
  await allow()
  await rollback()
  assert.deepEqual(await told(), ['run.started', 'run.suspended', 'run.continued', 'run.completed', 'run.continued'])
})

test('so many runs share a budget and no more, though many are added at once; one that is there is found', async (t) => {
  const db = await openTestDatabase(t)
  const store = storeOf(db)
  const started = { spec: { name: 'tested' }, input: 'Go.', conversation: false, root: 'u0', depth: 1 }
  const accountId = 'org0'
  await store.create({ id: 'u0', accountId, started: { ...started, depth: 0 } })
  const child = (n: number) =>
    store.create({ id: `u${n}`, accountId, started: { ...started, parent: 'u0' }, onceKey: `k${n}`, mostInTree: 4 })
  const made = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7, 8].map(child))
  const refused = made.filter((one) => one.status === 'rejected')
  assert.deepEqual(
    refused.map(({ reason }) => reason.code),
    Array(5).fill('limit_exceeded'),
  )
  const tree = await store.tree('u0')
  assert.equal(tree.length, 4)
  const there = Number(tree.at(-1)!.id.slice(1))
  assert.equal((await child(there)).id, `u${there}`)
})
