import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPlatform, until } from '../../../platform/test/platform.ts'
import { receive } from '../../../platform/test/webhook-receiver.ts'
import { type QuotaName, Warren, WarrenError } from '../src/index.ts'

const platform = await startPlatform({
  ...{ WARREN_POOL_SIZE: '0', WARREN_BILLING_SANDBOX_BANK: 'yes', WARREN_WEBHOOK_OPEN: '127.0.0.0/8' },
})
const warren = new Warren({ baseUrl: platform.url, apiKey: platform.key })
const { billing, quotas, webhooks } = warren

/** What a call is refused with, as whoever uses the SDK catches it. */
async function refusal(call: () => Promise<unknown>): Promise<WarrenError> {
  const error = await call().then(
    () => assert.fail('it was not refused'),
    (thrown) => thrown,
  )
  assert.ok(error instanceof WarrenError, String(error))
  return error
}

test('a plan is taken, an invoice issued, read, written and paid; money is text in its currency', async () => {
  const [plan] = await billing.plans()
  const written = await billing.writePlan('dear', {
    ...plan!.terms,
    prices: { USD: { monthly: 10_000_000_000, rates: {} } },
  })
  assert.deepEqual([written.id, written.version], ['dear', 1])
  assert.equal((await billing.takePlan('dear', { currency: 'USD' })).plan.id, 'dear')
  const limits = await billing.setLimits({ soft: { currency: 'USD', amount: '5.00' } })
  assert.deepEqual([limits.softLimit, limits.hardLimit], [{ currency: 'USD', amount: '5.00' }, undefined])
  const preview = await billing.usage()
  assert.equal(preview.total.currency, 'USD')
  const made = await billing.closeInvoice('org0', { key: 'june' })
  assert.equal((await billing.closeInvoice('org0', { key: 'june' })).id, made.id)
  const invoice = await billing.invoice(made.id)
  assert.deepEqual([invoice.number, invoice.state, invoice.total], ['INV-000001', 'issued', made.total])
  assert.ok(invoice.lines!.some(({ kind }) => kind === 'fee'))
  assert.deepEqual(
    (await billing.invoices({ limit: 1 })).map(({ id }) => id),
    [made.id],
  )
  assert.equal(
    Buffer.from(await billing.invoicePdf(made.id))
      .subarray(0, 5)
      .toString(),
    '%PDF-',
  )
  assert.ok(Array.isArray(await billing.invoiceUsage(made.id)))

  const { id, code } = await billing.bindCard('4242424242424242', 'CNY')
  assert.equal((await billing.confirmCard(id, code!)).last4, '4242')
  const wanted = { provider: 'bank', method: id, invoice: made.id, key: 'once' }
  const payment = await billing.pay(wanted)
  assert.equal((await billing.pay(wanted)).id, payment.id)
  assert.equal((await billing.payment(payment.id)).state, 'pending')
  assert.deepEqual(
    (await billing.payments()).map((one) => one.id),
    [payment.id],
  )
  assert.ok((await billing.ledger({ limit: 10 })).length > 0)
  assert.deepEqual((await billing.verify()).differences, [])

  for (const [call, code] of [
    [() => billing.takePlan('none'), 'not_found'],
    [() => billing.invoice('in-none'), 'not_found'],
    [() => billing.invoicePdf('in-none'), 'not_found'],
    [() => billing.payment('none'), 'not_found'],
    [() => billing.redeemCoupon('NONE'), 'not_found'],
    [() => billing.setLimits({ hard: { currency: 'USD', amount: '-1.00' } }), 'invalid_request'],
    [() => billing.pay({ ...wanted, provider: 'wallet' }), 'conflict'],
  ] as const) {
    const error = await refusal(call)
    assert.equal(error.code, code, error.message)
    assert.match(error.requestId ?? '', /^r/)
  }
  const { key } = await platform.json('POST', '/v1/keys', { name: 'developer' })
  const developer = new Warren({ baseUrl: platform.url, apiKey: key })
  for (const call of [
    () => developer.billing.verify(),
    () => developer.billing.demo(),
    () => developer.quotas.set({ sandboxes: 9 }),
  ])
    assert.equal((await refusal(call)).code, 'forbidden')
})

test('quotas are listed by name, set and put back', async () => {
  const of = async (name: QuotaName) => (await quotas.list()).find((one) => one.name === name)!
  const before = await of('sandboxes')
  await quotas.set({ sandboxes: 3 })
  const set = await of('sandboxes')
  assert.deepEqual([set.most, set.own], [3, true])
  await quotas.set({ sandboxes: null })
  assert.deepEqual(await of('sandboxes'), before)
  assert.equal((await refusal(() => quotas.set({ sandboxes: -1 }))).code, 'invalid_request')
})

test('webhooks: the secret is told once, deliveries are typed, what is gone is not_found', async () => {
  const receiver = await receive()
  const made = await webhooks.create(receiver.url, { events: ['volume.*'] })
  assert.match(made.secret, /^whsec_/)
  const { secret: _, ...shown } = made
  assert.deepEqual([await webhooks.get(made.id), await webhooks.list()], [shown, [shown]])
  const delivery = await webhooks.test(made.id)
  const [found] = await until('it is delivered', async () => {
    const all = await webhooks.deliveries(made.id, { state: 'delivered' })
    return all.length > 0 ? all : undefined
  })
  assert.deepEqual([found!.id, found!.attempts[0]!.status], [delivery, 204])
  assert.equal(await webhooks.replay(made.id, { delivery }), 1)
  assert.notEqual((await webhooks.rotate(made.id, { overlapSeconds: 0 })).secret, made.secret)
  assert.equal((await refusal(() => webhooks.create('nothing'))).code, 'invalid_request')
  await webhooks.delete(made.id)
  for (const call of [
    () => webhooks.get(made.id),
    () => webhooks.test(made.id),
    () => webhooks.replay(made.id),
    () => webhooks.delete(made.id),
  ])
    assert.equal((await refusal(call)).code, 'not_found')
})

test('usage and top are reports of numbers', async () => {
  const report = await warren.usage({ group: 'kind' })
  assert.equal(typeof report.total.durationMs, 'number')
  assert.deepEqual(await warren.top(), [])
  assert.equal((await refusal(() => warren.usage({ from: 'yesterday' }))).code, 'invalid_request')
})
