import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { openTestDatabase, postgresOrigins, whyNoPostgres } from '../../test/test-database.ts'
import { recordUsage } from '../metering/record-usage.ts'
import type { UsageFact } from '../metering/usage-fact.ts'
import type { Database } from '../storage/database.ts'
import { createLogger } from '../telemetry/logger.ts'
import { subscriptionsOf, takePlan } from './billing-account.ts'
import { closePeriods, invoice } from './close-periods.ts'
import { createCoupon, redeemCoupon } from './coupon.ts'
import { creditNote } from './credit-note.ts'
import { draftInvoice } from './draft-invoice.ts'
import { linesOf, listInvoices } from './invoice-records.ts'
import type { PlanTerms } from './plan.ts'
import { findPlan, seedPlans, writePlan } from './plans.ts'
import { preview } from './preview.ts'
import { price } from './price.ts'
import { segmentsBetween } from './segments.ts'
import { verify } from './verify/verify.ts'

const logger = createLogger('warn')
const hour = 3_600_000
/** Prices that round nearly everywhere. */
const odd: PlanTerms = {
  name: 'Odd',
  concurrency: 5,
  minimumMs: 777,
  included: { 'sandbox.time': 12 * hour, cpu: 5 * hour },
  prices: {
    JPY: {
      monthly: 3333,
      rates: {
        'sandbox.time': { minor: 7, per: 65_537 },
        'function.time': { minor: 1, per: 2 },
        cpu: { minor: 11, per: 131_071 },
        memory: { minor: 1, per: 999_983 },
        'memory.held': { minor: 2, per: 999_979 },
        'network.out': { minor: 3, per: 10_007 },
        'model.output': { minor: 5, per: 10_009 },
      },
    },
  },
}

for (const origin of postgresOrigins) {
  describe(`invoices, ${origin} PostgreSQL`, { skip: await whyNoPostgres(origin) }, () => {
    test('each fact is in one invoice, late ones in the next, and all together cost what all facts cost', async (t) => {
      const seed = Number(process.hrtime.bigint() % 1_000_000n)
      t.diagnostic(`seed ${seed}`)
      const { db, clock, deps } = await setUp(t, origin)
      const random = randomFrom(seed)
      clock('2026-01-10T07:11:13.017Z')
      await writePlan(db, 'odd', odd, deps.now())
      await takePlan(deps, 'a', { plan: 'odd', currency: 'JPY' })
      clock('2026-02-03T01:02:03.004Z')
      await writePlan(db, 'odd', { ...odd, minimumMs: 1, included: {} }, deps.now())
      const facts: UsageFact[] = []
      const use = async (from: string, to: string, count: number) => {
        const some = Array.from({ length: count }, (_, i) =>
          randomFact(random, { from, to, key: `${from} ${facts.length + i}` }),
        )
        facts.push(...some)
        await recordUsage(db.kysely, some)
        await recordUsage(
          db.kysely,
          some.map((fact) => ({ ...fact, accountId: 'b', key: `b ${fact.key}` })),
        )
      }
      await use('2026-01-02', '2026-02-03', 300)
      await invoice(deps, 'a', new Date('2026-02-01T00:00:00Z'))
      await use('2026-01-05', '2026-02-03', 200)
      await takePlan(deps, 'a', { plan: 'odd', currency: 'JPY' })
      clock('2026-03-15T00:00:00Z')
      await invoice(deps, 'a', new Date('2026-02-20T11:00:00.123Z'))
      await use('2025-12-20', '2026-03-10', 300)
      const until = new Date('2026-03-12T00:00:00Z')
      const expectedNext = (await preview(db.kysely, { accountId: 'a', currency: 'JPY' }, until)).total
      const next = await invoice(deps, 'a', until)
      assert.equal(next.total, expectedNext)
      await assert.rejects(invoice(deps, 'a', until), /is invoiced until/)

      const invoices = await listInvoices(db.kysely, 'a', { limit: 100, after: 0 })
      assert.deepEqual(invoices.map(({ number }) => number).sort(), ['INV-000001', 'INV-000002', 'INV-000003'])
      assert.equal(
        invoices.reduce((sum, one) => sum + one.facts, 0),
        facts.length,
      )
      assert.equal(
        sum(invoices.map(({ total }) => total)),
        await priceOfAll(
          db,
          facts,
          invoices.map((one) => one.periodEnd),
        ),
      )
      const found = await verify(db)
      assert.deepEqual(found.differences, [])
      assert.deepEqual([found.difference, found.facts, found.invoices], [0, 1600, 3])
    })

    test('months that are over are closed by themselves, also the one a crash left drafted', async (t) => {
      const { db, clock, deps } = await setUp(t, origin)
      clock('2026-01-15T00:00:00Z')
      await takePlan(deps, 'a', { plan: 'pro', currency: 'EUR' })
      await recordUsage(db.kysely, [fact('1', '2026-01-20T00:00:00Z', 2000 * hour)])
      clock('2026-03-01T00:00:01Z')
      const draft = await draftInvoice(deps, 'a', new Date('2026-02-01T00:00:00Z'))
      assert.equal(await draftInvoice(deps, 'a', new Date('2026-02-01T00:00:00Z')), draft)
      const issued = await closePeriods(deps)
      assert.deepEqual(
        issued.map(({ id, number, periodEnd }) => [id === draft, number, periodEnd.toISOString().slice(0, 10)]),
        [
          [true, 'INV-000001', '2026-02-01'],
          [false, 'INV-000002', '2026-03-01'],
        ],
      )
      // 17 of 31 days: that part of the fee, and of the included thousand hours.
      const [fee, time] = await linesOf(db.kysely, draft)
      assert.deepEqual([fee!.minor, time!.minor], [8226n, 8710n])
      assert.deepEqual(await closePeriods(deps), [])
      assert.equal((await verify(db)).difference, 0)
    })

    test('coupons take off what they say, never more than there is; credit notes at most what is left', async (t) => {
      const { db, clock, deps } = await setUp(t, origin)
      clock('2026-01-01T00:00:00Z')
      await takePlan(deps, 'a', { plan: 'basic', currency: 'USD' })
      await createCoupon(deps, 'TENTH', { basisPoints: 1000, months: 1, mostRedemptions: 1 })
      await createCoupon(deps, 'LARGE', { minor: 1900, currency: 'USD' })
      await assert.rejects(createCoupon(deps, 'LARGE', { basisPoints: 1 }), /already/)
      await assert.rejects(createCoupon(deps, 'BOTH', { basisPoints: 1, minor: 1, currency: 'USD' }), /either/)
      const account = { accountId: 'a', currency: 'USD' }
      for (const code of ['TENTH', 'LARGE', 'LARGE']) await redeemCoupon(deps, account, code)
      clock('2026-03-01T00:00:00Z')
      await assert.rejects(redeemCoupon(deps, { accountId: 'b', currency: 'USD' }, 'TENTH'), /no coupon/)
      const [january, february] = await closePeriods(deps)
      assert.deepEqual([january!.total, january!.state, february!.total], [0n, 'paid', 100n])

      const usd = (minor: bigint, key = `${minor}`) => ({ key, amount: { currency: 'USD', minor }, memo: 'an outage' })
      await assert.rejects(creditNote(deps, february!, usd(101n)), /100 of the smallest unit are left/)
      await assert.rejects(creditNote(deps, february!, usd(-1n)), /left of this/)
      await assert.rejects(
        creditNote(deps, february!, { ...usd(1n), amount: { currency: 'EUR', minor: 1n } }),
        /in USD/,
      )
      const notes = await Promise.all(Array.from({ length: 4 }, () => creditNote(deps, february!, usd(40n))))
      for (const note of notes) assert.deepEqual([note.id, note.number, note.total], [notes[0]!.id, 'CN-000001', -40n])
      await assert.rejects(creditNote(deps, february!, usd(41n, '40')), /used for another credit note/)
      await assert.rejects(creditNote(deps, january!, usd(40n)), /used for another credit note/)
      await assert.rejects(creditNote(deps, february!, { ...usd(40n), memo: 'a slip' }), /used for another credit note/)
      await creditNote(deps, february!, usd(60n))
      const [again] = (await listInvoices(db.kysely, 'a', { limit: 9, after: 0 })).filter(
        ({ id }) => id === february!.id,
      )
      assert.equal(again!.state, 'void')
      assert.deepEqual((await verify(db)).differences, [])
    })

    test('a planted error of one smallest unit is found, wherever it is', async (t) => {
      const { db, clock, deps } = await setUp(t, origin)
      clock('2026-01-01T00:00:00Z')
      await takePlan(deps, 'a', { plan: 'basic', currency: 'USD' })
      await createCoupon(deps, 'TENTH', { basisPoints: 1000 })
      await redeemCoupon(deps, { accountId: 'a', currency: 'USD' }, 'TENTH')
      await recordUsage(db.kysely, [
        fact('1', '2026-01-20T00:00:00Z', 200 * hour),
        fact('2', '2026-02-20T00:00:00Z', hour),
      ])
      clock('2026-03-01T00:00:00Z')
      await closePeriods(deps)
      assert.equal((await verify(db)).difference, 0)
      const second = `(select id from billing_invoices order by number desc limit 1)`
      const planted: Record<string, [string, string[]]> = {
        'one entry': [
          'update ledger_entries set amount = amount + 1 where posting = 1 and position = 1',
          ['posting that does not balance'],
        ],
        'two entries that balance': [
          `update ledger_entries set amount = amount + case position when 1 then 1 else -1 end where posting = 1 and position <= 2`,
          ['posting of an invoice'],
        ],
        'a line': [
          `update billing_lines set amount = amount + 1 where kind = 'usage' and amount > 0`,
          ['line of an invoice', 'total of an invoice'],
        ],
        'a line and the total': [
          `update billing_lines set amount = amount + 1 where position = 1 and invoice = ${second};
           update billing_invoices set total = total + 1 where id = ${second}`,
          ['line of an invoice', 'posting of an invoice'],
        ],
        'a discount': [
          `update billing_lines set amount = amount - 1 where kind = 'discount' and invoice = ${second}`,
          ['discount of an invoice'],
        ],
        'a total': [`update billing_invoices set total = total - 1 where id = ${second}`, ['total of an invoice']],
        'a fact that is longer': [
          `update usage_facts set ended_at = ended_at + interval '10 minutes' where key = '1'`,
          ['line of an invoice', 'quantity of a line'],
        ],
        'a fact that is longer by a millisecond': [
          `update usage_facts set ended_at = ended_at + interval '1 ms' where key = '2'`,
          ['quantity of a line'],
        ],
        'a fact that is gone': [
          `delete from usage_facts where key = '1'`,
          ['line of an invoice', 'facts of an invoice'],
        ],
        'an invoice that is gone': [
          `delete from billing_lines where invoice = ${second}; delete from billing_invoices where id = ${second}`,
          ['posting of an invoice', 'numbers without gaps'],
        ],
        'a posting that is gone': [
          `delete from ledger_entries where posting = 1; delete from ledger_postings where seq = 1`,
          ['posting of an invoice', 'what is owed, against invoices that are not paid'],
        ],
        'a plan that was changed': [
          `update billing_plans set terms = jsonb_set(terms, '{prices,USD,monthly}', '2001') where id = 'basic'`,
          ['line of an invoice'],
        ],
      }
      for (const [what, [statement, reasons]] of Object.entries(planted)) {
        const seen = await whilePlanted(db, statement)
        assert.ok(seen.difference >= 1, what)
        const told = new Set(seen.differences.map((one) => one.what))
        for (const reason of reasons) assert.ok(told.has(reason), `${what}: ${reason} not among ${[...told]}`)
      }
      assert.equal((await verify(db)).difference, 0)
    })

    test('what was issued stays as it is', async (t) => {
      const { db, clock, deps } = await setUp(t, origin)
      clock('2026-01-01T00:00:00Z')
      await takePlan(deps, 'a', { plan: 'basic', currency: 'USD' })
      await assert.rejects(takePlan(deps, 'a', { plan: 'basic', currency: 'EUR' }), /pays in USD/)
      await assert.rejects(takePlan(deps, 'b', { plan: 'basic', currency: 'JPY' }), /no price in JPY/)
      clock('2026-02-01T00:00:00Z')
      await closePeriods(deps)
      for (const statement of [
        'update billing_lines set amount = 0',
        'delete from billing_lines',
        'update billing_invoices set total = 0',
        "update billing_invoices set state = 'drafted'",
        'delete from billing_invoices',
        "update billing_plans set terms = '{}'",
        "update billing_subscriptions set plan = 'free'",
      ])
        await assert.rejects(db.pool.query(statement), /never changed|not changed after/)
      assert.equal((await subscriptionsOf(db.kysely, 'a')).length, 1)
    })
  })
}

/** Makes a change behind the back of all that refuses it, looks, and takes it back. */
async function whilePlanted(db: Database, statement: string): ReturnType<typeof verify> {
  const client = await db.pool.connect()
  try {
    await client.query('begin')
    await client.query(`set local session_replication_role = replica; ${statement}`)
    // What verify begins and ends is this transaction's.
    const query = (text: string) => (/^(begin|commit)/.test(text) ? Promise.resolve({ rows: [] }) : client.query(text))
    return await verify({ pool: { connect: async () => ({ query, release() {} }) } } as never)
  } finally {
    await client.query('rollback')
    client.release()
  }
}

async function setUp(t: TestContext, origin: Parameters<typeof openTestDatabase>[1]) {
  const db = await openTestDatabase(t, origin)
  let time = new Date('2026-01-01T00:00:00Z')
  const deps = { db, now: () => time, logger }
  await seedPlans(db, time)
  const clock = (text: string) => {
    time = new Date(text)
  }
  return { db, deps, clock }
}

/** By the pure function, one stretch of time with one plan after the other. */
async function priceOfAll(db: Database, facts: UsageFact[], ends: Date[]): Promise<bigint> {
  const [first, last] = [new Date('2025-12-01T00:00:00Z'), ends.toSorted((a, b) => +a - +b).at(-1)!]
  const subscriptions = await subscriptionsOf(db.kysely, 'a')
  const before = await findPlan(db.kysely, 'free', 1)
  const segments = segmentsBetween(first, last, { subscriptions, cuts: ends, before })
  return sum(
    segments.map(({ start, end, plan, share }) => {
      const own = facts.filter(({ endedAt }) => endedAt >= start && endedAt < end)
      return price(own, { terms: plan.terms, currency: 'JPY', share }).total
    }),
  )
}

function randomFact(
  random: (below: number) => number,
  { from, to, key }: { from: string; to: string; key: string },
): UsageFact {
  const ended = Date.parse(from) + random(Date.parse(to) - Date.parse(from))
  const kinds = ['sandbox', 'function', 'agent', 'storage', 'egress', 'gpu'] as const
  return {
    key,
    accountId: 'a',
    kind: kinds[random(kinds.length)]!,
    subject: `s${random(9)}`,
    startedAt: new Date(ended - random(hour)),
    endedAt: new Date(ended),
    cpuMs: random(hour),
    memoryMbMs: random(2 ** 40),
    memoryHeldMbMs: random(2 ** 40),
    diskMbMs: random(2 ** 40),
    networkInBytes: random(2 ** 30),
    networkOutBytes: random(2 ** 45),
    gpuMs: random(1000),
    modelInputTokens: random(2 ** 30),
    modelCachedTokens: random(2 ** 30),
    modelOutputTokens: random(2 ** 20),
  }
}

/** Numbers that look random, the same for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = BigInt(seed) * 2n + 1n
  return (below) => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n
    return Number(((state >> 11n) * BigInt(below)) / 2n ** 53n)
  }
}

function sum(amounts: bigint[]): bigint {
  return amounts.reduce((all, amount) => all + amount, 0n)
}

function fact(key: string, ended: string, ms: number): UsageFact {
  const endedAt = new Date(ended)
  return { key, accountId: 'a', kind: 'sandbox', subject: 's', startedAt: new Date(endedAt.getTime() - ms), endedAt }
}
