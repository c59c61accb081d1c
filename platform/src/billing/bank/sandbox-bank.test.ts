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
