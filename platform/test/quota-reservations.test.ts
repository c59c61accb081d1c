import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WarrenError } from '../src/errors.ts'
import { createQuotas } from '../src/quotas/quotas.ts'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from './test-database.ts'

const account = { id: 'o1', name: 'one', maxSandboxes: 10 }
const other = { id: 'o2', name: 'two', maxSandboxes: 10 }

for (const origin of postgresOrigins) {
  test(`parts of a quota are reserved and given back, exactly (${origin})`, {
    skip: await whyNoPostgres(origin),
  }, async (t) => {
    const db = await openTestDatabase(t, origin)
    let now = new Date('2026-01-01T23:59:00Z')
    const quotas = createQuotas({ db, defaults: { functions: 5 }, now: () => now })
    const until = new Date('2026-01-02T00:30:00Z')
    const reserve = (holder: string, amount = 1, of = account) =>
      quotas.reserve(of, { name: 'functions', holder, amount, until })
    const used = async () => (await quotas.get(account)).find(({ name }) => name === 'functions')!.used

    const many = await Promise.allSettled(Array.from({ length: 40 }, (_, at) => reserve(`call${at}`)))
    assert.equal(many.filter(({ status }) => status === 'fulfilled').length, 5)
    const refused = many.find((one) => one.status === 'rejected')!
    assert.deepEqual(
      [refused.reason.code, refused.reason.details],
      ['limit_exceeded', { quota: 'functions', limit: 5 }],
    )
    assert.equal(await used(), 5)

    const held = many.findIndex(({ status }) => status === 'fulfilled')
    await reserve(`call${held}`) // again: it is the same part
    assert.equal(await used(), 5)
    await reserve('theirs', 5, other)
    await quotas.release(other, { name: 'functions', holder: `call${held}` }) // not theirs to give back
    assert.equal(await used(), 5)
    await quotas.release(account, { name: 'functions', holder: `call${held}` })
    await reserve('next')
    await assert.rejects(reserve('one more'), (error: WarrenError) => error.code === 'limit_exceeded')

    now = new Date('2026-01-02T00:31:00Z')
    assert.equal(await used(), 0, 'what nobody gave back is over')
    await quotas.reserve(account, {
      name: 'functions',
      holder: 'new',
      amount: 5,
      until: new Date('2026-01-02T01:00:00Z'),
    })

    await quotas.set('o1', { quotas: { functions: 0, agentBudget: 2_500_000 } })
    await assert.rejects(reserve('none'), (error: WarrenError) => error.code === 'limit_exceeded')
    await quotas.reserve(account, { name: 'agentBudget', holder: 'run1', amount: 2_500_000, until })
    await quotas.set('o1', { quotas: { functions: null } })
    const own = (await quotas.get(account)).filter(({ isOwn }) => isOwn)
    assert.deepEqual(
      own.map(({ name, most }) => [name, most]),
      [['agentBudget', 2_500_000]],
    )
  })

  test(`processors and memory beside sandboxes are held exactly, and given back (${origin})`, {
    skip: await whyNoPostgres(origin),
  }, async (t) => {
    const db = await openTestDatabase(t, origin)
    const quotas = createQuotas({ db, defaults: { cpuCores: 2, builds: 1 }, now: () => new Date() })
    const hold = (kind: 'function' | 'build' = 'function', accountId = 'o1') =>
      quotas.hold({ accountId, kind, cpuCores: 0.5, memoryMb: 100 })
    const used = async () => {
      const found = new Map((await quotas.get(account)).map(({ name, used }) => [name, used]))
      return ['cpuCores', 'memoryMb', 'builds', 'sandboxes'].map((name) => found.get(name as 'builds'))
    }
    const refusal = (quota: string, limit: number) => (error: WarrenError) => {
      assert.deepEqual([error.code, error.details], ['limit_exceeded', { quota, limit }])
      return true
    }

    const many = await Promise.allSettled(Array.from({ length: 40 }, () => hold()))
    const held = many.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    assert.equal(held.length, 4)
    assert.deepEqual(await used(), [2, 400, 0, 0])
    await assert.rejects(hold(), refusal('cpuCores', 2))
    await hold('function', 'o2')

    await Promise.all([held[0]!(), held[1]!()])
    assert.deepEqual(await used(), [1, 200, 0, 0])
    const build = await hold('build')
    await assert.rejects(hold('build'), refusal('builds', 1))
    await hold() // that builds are full keeps nobody else from anything
    await assert.rejects(hold(), refusal('cpuCores', 2))
    await build()
    await build()
    assert.deepEqual(await used(), [1.5, 300, 0, 0])

    await quotas.set('o1', { quotas: { memoryMb: 350 } })
    await assert.rejects(hold(), refusal('memoryMb', 350))
    await quotas.set('o1', { quotas: { memoryMb: null } })
    await hold()
    // Another process of the platform: nothing of what the one before held is there any more.
    await createQuotas({ db, defaults: {}, now: () => new Date() }).recover()
    assert.deepEqual(await used(), [0, 0, 0, 0])
  })

  test(`what is sent counts by day of UTC (${origin})`, { skip: await whyNoPostgres(origin) }, async (t) => {
    const db = await openTestDatabase(t, origin)
    let now = new Date('2026-03-01T23:59:59Z')
    const quotas = createQuotas({ db, defaults: { egressMbPerDay: 2 }, now: () => now })
    const used = async () => (await quotas.get(account)).find(({ name }) => name === 'egressMbPerDay')!.used
    const sends = async ({ id }: { id: string }, bytes: number) => {
      await db.pool.query(
        `insert into egress_days as d values ($1, ($2::timestamptz at time zone 'UTC')::date, $3)
          on conflict (account_id, day) do update set bytes = d.bytes + excluded.bytes`,
        [id, now, bytes],
      )
      return quotas.isEgressUsedUp(id)
    }
    assert.deepEqual(
      [await sends(account, 2 ** 20), await sends(account, 2 ** 20), await sends(account, 1)],
      [false, false, true],
    )
    assert.equal(await sends(other, 1), false)
    now = new Date('2026-03-02T00:00:00Z')
    assert.equal(await used(), 0)
    assert.equal(await sends(account, 2 ** 19), false)
    assert.equal(await used(), 0.5)
    assert.equal(await quotas.forgetEgress(now, 100), 2)
    assert.equal(await used(), 0.5)
  })
}
