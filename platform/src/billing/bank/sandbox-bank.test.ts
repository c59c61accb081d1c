import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { openTestDatabase } from '../../../test/test-database.ts'
import { recordUsage } from '../../metering/record-usage.ts'
import { createPayment } from '../payments/create-payment.ts'
import { takeNotice } from '../payments/take-notice.ts'
import { seedPlans } from '../plans.ts'
import { verify } from '../verify/verify.ts'
import { bindCard, confirmCard } from './cards.ts'
import { demo } from './demo.ts'
import { capture, findOrder } from './orders.ts'
import { noticeOf, sandboxBank } from './sandbox-bank.ts'

test('the demo walks from use to payout, twice, and nothing is lost on the way', async (t) => {
  const db = await openTestDatabase(t)
  const deps = { db, now: () => new Date(), secret: 'secret', recordUsage }
  await seedPlans(db, new Date())
  for (let round = 0; round < 2; round++) {
    const steps = await demo(deps)
    for (const step of ['invoice', 'card', 'authorise', 'poll', 'push', 'day end', 'exchange', 'payout', 'reconcile'])
      assert.ok(
        steps.some((one) => one.step === step),
        `${step} in ${JSON.stringify(steps, undefined, 1)}`,
      )
    assert.match(steps.at(-1)!.what, /difference 0$/)
  }
  assert.deepEqual((await verify(db)).differences, [])
  for (const [statement, what] of [
    ['update bank_nettings set net = net + 1', 'netting of a day'],
    [`update bank_orders set payee_amount = payee_amount + 1 where state = 'paid_out'`, 'payout of an order'],
    ['update bank_exchanges set fee = fee + 1', 'first order of an exchange'],
  ]) {
    await db.pool.query(statement!)
    assert.ok(
      (await verify(db)).differences.some((one) => one.what === what),
      what,
    )
    await db.pool.query(statement!.replace('+ 1', '- 1'))
  }
})

test('a posting of the bank that nothing stands behind is found, though it balances', async (t) => {
  const db = await openTestDatabase(t)
  const deps = { db, now: () => new Date(), secret: 'secret', recordUsage }
  await seedPlans(db, new Date())
  await demo(deps)
  assert.deepEqual((await verify(db)).differences, [])
  const byOne = (kind: string) =>
    `update ledger_entries set amount = amount + sign(amount) where posting = (select min(seq) from ledger_postings
      where starts_with(key, 'bank:${kind}:'))`
  const toWallet = `update ledger_entries set account = 'wallet:a:USD' where posting = (select seq from ledger_postings
    where key = 'bank:open:USD') and amount < 0`
  const inserted = (key: string, ...[from, to]: string[]) => `insert into ledger_accounts (id, currency)
      values ('${from}', 'USD'), ('${to}', 'USD') on conflict do nothing;
    with p as (insert into ledger_postings (key, at, memo) values ('${key}', now(), '{}') returning seq)
    insert into ledger_entries (posting, position, account, currency, amount)
      select seq, 1, '${from}', 'USD', 1::bigint from p union all select seq, 2, '${to}', 'USD', -1 from p`
  const planted: [statement: string, what: string][] = [
    [byOne('open'), 'what the payment institution begins with'],
    [byOne('fund'), 'what the customer of a card has'],
    [
      `delete from ledger_entries where posting in (select seq from ledger_postings where key = 'bank:open:CNY')`,
      'what the payment institution begins with',
    ],
    [inserted('bank:open:EUR', 'bank:a:USD', 'bank:b:USD'), 'what the payment institution begins with'],
    [inserted('bank:fund:none', 'bank:a:USD', 'bank:b:USD'), 'what the customer of a card has'],
    [inserted('bank:gift:1', 'bank:gift:USD', 'bank:b:USD'), 'posting of a kind that is not known'],
    [inserted('bank:open', 'bank:gift:USD', 'bank:b:USD'), 'posting of a kind that is not known'],
    [inserted('bank:gift:1', 'bank:gift:USD', 'wallet:a:USD'), 'entry in an account of another kind than its posting'],
    [toWallet, 'entry in an account of another kind than its posting'],
  ]
  for (const [statement, what] of planted) {
    const seen = await verify({ pool: { connect: () => withPlanted(db, statement) } } as never)
    assert.ok(seen.difference >= 1, statement)
    const told = new Set(seen.differences.map((one) => one.what))
    assert.ok(told.has(what), `${what} not among ${[...told]}, after ${statement}`)
  }
  assert.equal((await verify(db)).difference, 0)
})

test('money that is not there, a wrong code too often, and notices that lie change nothing', async (t) => {
  const db = await openTestDatabase(t)
  const bankDeps = { db, now: () => new Date(), secret: 'secret' }
  const bank = sandboxBank(bankDeps)
  const deps = { ...bankDeps, providers: new Map([['bank', bank]]) }
  const { card, code } = await bindCard(bankDeps, 'a', { number: '4242424242424242', currency: 'JPY' })
  await assert.rejects(bindCard(bankDeps, 'a', { number: '4242424242424241', currency: 'JPY' }), /no number of a card/)
  await assert.rejects(bindCard(bankDeps, 'a', { number: '4242424242424242', currency: 'CHF' }), /not CHF/)
  await assert.rejects(confirmCard(bankDeps, 'b', { id: card.id, code }), /no card/)
  await confirmCard(bankDeps, 'a', { id: card.id, code })
  const topUp = (key: string, minor: bigint) =>
    createPayment(deps, 'a', { key, provider: 'bank', method: card.id, amount: { currency: 'USD', minor } })
  const tooMuch = await topUp('k1', 10n ** 12n)
  assert.deepEqual(
    [tooMuch.payment.state, tooMuch.payment.reason],
    ['failed', 'the account of the card does not hold enough'],
  )
  const { payment } = await topUp('k2', 5000n)
  await assert.rejects(topUp('k2', 5001n), /used for another payment/)
  assert.equal(payment.state, 'pending')
  await capture(bankDeps)
  const order = (await findOrder(db.kysely, sql`request = ${payment.id}`))!
  await assert.rejects(takeNotice(deps, 'bank', noticeOf({ ...bankDeps, secret: 'x' }, order)), /does not hold/)
  const old = { ...bankDeps, now: () => new Date(Date.now() - 600_000) }
  await assert.rejects(takeNotice(deps, 'bank', noticeOf(old, order)), /too old/)
  await assert.rejects(takeNotice(deps, 'bank', noticeOf(bankDeps, { ...order, payee: 1n })), /tells of 1 USD/)
  assert.equal(await takeNotice(deps, 'bank', noticeOf(bankDeps, order)), true)
  assert.equal(await takeNotice(deps, 'bank', noticeOf(bankDeps, order)), false)

  const other = await bindCard(bankDeps, 'a', { number: '4242424242424242', currency: 'USD' })
  const wrong = other.code === '111111' ? '222222' : '111111'
  for (let i = 0; i < 5; i++)
    await assert.rejects(confirmCard(bankDeps, 'a', { id: other.card.id, code: wrong }), /not the code/)
  await assert.rejects(confirmCard(bankDeps, 'a', { id: other.card.id, code: other.code }), /does not hold any more/)
  assert.deepEqual((await verify(db)).differences, [])
})

/** A connection whose transaction has what was planted, and forgets it in the end. */
async function withPlanted(db: Awaited<ReturnType<typeof openTestDatabase>>, statement: string) {
  const client = await db.pool.connect()
  await client.query('begin')
  await client.query(`set local session_replication_role = replica; ${statement}`)
  // What verify begins and ends is this transaction's.
  const query = (text: string) => (/^(begin|commit)/.test(text) ? Promise.resolve({ rows: [] }) : client.query(text))
  const release = () => void client.query('rollback').then(() => client.release())
  return { query, release }
}
