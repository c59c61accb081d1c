import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Answer, keyed, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { startStripe } from './stripe.ts'

const stripe = await startStripe()
after(() => stripe.close())
const platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_FUNCTION_POOL: '0',
  WARREN_STRIPE_KEY: 'sk_test_1',
  WARREN_STRIPE_WEBHOOK_SECRET: stripe.secret,
  WARREN_STRIPE_URL: stripe.url,
  WARREN_BILLING_SANDBOX_BANK: 'yes',
})
const usd = (amount: string) => ({ currency: 'USD', amount })
const pay = (key: string, body: object) =>
  platform.call('POST', '/v1/billing/payments', body, { headers: { 'idempotency-key': key } })
const notify = (provider: string, { body, signature }: { body: string; signature: string }) =>
  platform.fetch(`/v1/billing/notices/${provider}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'stripe-signature': signature },
  })
const isRight = async () => {
  const found = await platform.json('GET', '/v1/billing/verification')
  assert.deepEqual(found.differences, [])
  assert.equal(found.difference, 0)
  return found
}
let invoice: Answer

test('an account is on the free plan, takes one, and is invoiced; the invoice is JSON and PDF', async () => {
  const before = await platform.json('GET', '/v1/billing')
  assert.deepEqual(
    [before.plan.id, before.wallet, before.providers],
    ['free', usd('0.00'), ['wallet', 'stripe', 'bank']],
  )
  const { plans } = await platform.json('GET', '/v1/billing/plans')
  assert.deepEqual(
    plans.map(({ id }: Answer) => id),
    ['basic', 'enterprise', 'free', 'pro'],
  )
  const terms = { ...plans[0].terms, prices: { USD: { monthly: 10_000_000_000, rates: {} } } }
  const other = { ...terms, concurrency: terms.concurrency + 1 }
  for (const [written, version] of [
    [terms, 1],
    [terms, 1],
    [other, 2],
    [terms, 3],
    [other, 4],
  ])
    assert.equal((await platform.json('PUT', '/v1/billing/plans/dear', written)).version, version)
  assert.equal((await platform.json('PUT', '/v1/billing/plan', { plan: 'dear', currency: 'USD' })).plan.version, 4)
  await platform.json('PUT', '/v1/billing/coupons/LESS', { minor: 1, currency: 'USD' })
  await platform.call('POST', '/v1/billing/coupons', { code: 'LESS' })
  invoice = await platform.json('POST', '/v1/billing/accounts/org0/invoices', {}, keyed('first'))
  assert.equal(invoice.number, 'INV-000001')
  const { lines, total } = await platform.json('GET', `/v1/billing/invoices/${invoice.id}`)
  assert.deepEqual(
    // What the platform itself used until here costs nothing: it was on the free plan.
    lines.map(({ kind }: Answer) => kind).filter((kind: string) => kind !== 'usage'),
    ['fee', 'discount'],
  )
  assert.deepEqual(total, invoice.total)
  const pdf = await platform.call('GET', `/v1/billing/invoices/${invoice.id}/pdf`)
  assert.equal(pdf.headers.get('content-type'), 'application/pdf')
  assert.match(await pdf.text(), /^%PDF-1\.4/)
  assert.equal((await platform.call('GET', '/v1/billing/invoices/in-other')).status, 404)
  await isRight()
})

test('money comes into the wallet by Stripe once, however often its notice comes', async () => {
  const made = await (await pay('top-1', { provider: 'stripe', amount: usd('500.00') })).json()
  assert.equal(made.state, 'pending')
  assert.match(made.clientSecret, /^secret_/)
  const again = await (await pay('top-1', { provider: 'stripe', amount: usd('500.00') })).json()
  assert.deepEqual([again.id, stripe.creations], [made.id, 1])
  assert.equal((await pay('top-1', { provider: 'stripe', amount: usd('501.00') })).status, 409)
  const intent = stripe.intents.get(made.reference)!
  const done = { ...intent, status: 'succeeded', amount_received: intent.amount }
  const event = stripe.event('payment_intent.succeeded', done)
  assert.equal((await notify('stripe', { ...event, signature: event.signature.replace(/.$/, 'x') })).status, 403)
  assert.equal((await notify('stripe', { ...event, body: event.body.replace('50000', '50001') })).status, 403)
  assert.equal((await notify('stripe', stripe.event('payment_intent.succeeded', done, 1_600_000_000))).status, 403)
  const wrong = stripe.event('payment_intent.succeeded', { ...done, amount_received: 49_999 })
  assert.equal((await notify('stripe', wrong)).status, 409)
  assert.deepEqual((await platform.json('GET', '/v1/billing')).wallet, usd('0.00'))
  assert.deepEqual(await (await notify('stripe', event)).json(), { news: true })
  for (const replayed of [event, stripe.event('payment_intent.succeeded', done)]) await notify('stripe', replayed)
  assert.deepEqual((await platform.json('GET', '/v1/billing')).wallet, usd('500.00'))
  assert.equal((await platform.json('GET', `/v1/billing/payments/${made.id}`)).state, 'succeeded')
  const declined = await (await pay('top-2', { provider: 'stripe', amount: usd('666.00') })).json()
  assert.deepEqual([declined.state, declined.reason], ['failed', 'Stripe refused: the card was declined'])
  await isRight()
})

test('an invoice is paid once, from the wallet, and what is taken back goes there', async () => {
  const { total } = invoice
  assert.equal((await pay('pay-1', { provider: 'wallet', invoice: invoice.id })).status, 200)
  const twice = await pay('pay-2', { provider: 'wallet', invoice: invoice.id })
  assert.equal(twice.status, 409)
  const note = { amount: total, memo: 'an outage' }
  const path = `/v1/billing/accounts/org0/invoices/${invoice.id}/credit-notes`
  const credit = (key: string, body = note) =>
    platform.call('POST', path, body, { headers: { 'idempotency-key': key } })
  assert.equal((await platform.call('POST', path, note)).status, 400, 'a credit note needs a key')
  const made = await Promise.all([credit('note-1'), credit('note-1'), credit('note-1')])
  assert.deepEqual(
    made.map(({ status }) => status),
    [200, 200, 200],
  )
  const [first, ...others] = await Promise.all(made.map((answer) => answer.json()))
  for (const other of others) assert.deepEqual(other, first)
  assert.deepEqual(await (await credit('note-1')).json(), first)
  assert.equal((await credit('note-1', { ...note, memo: 'another' })).status, 409)
  assert.equal((await credit('note-2')).status, 409)
  assert.deepEqual((await platform.json('GET', '/v1/billing')).wallet, usd('500.00'))
  await isRight()
})

test('at the hard limit no sandbox is started, and above it one is', async () => {
  await platform.json('PUT', '/v1/billing/limits', { soft: usd('0.00'), hard: usd('0.00') })
  const refused = await platform.call('POST', '/v1/sandboxes', {})
  assert.equal(refused.status, 429)
  assert.match((await refused.json()).message, /its limit is 0\.00 USD/)
  await platform.json('PUT', '/v1/billing/limits', { hard: null })
  const path = await platform.sandbox()
  await platform.call('DELETE', path)
})

test('at the hard limit nothing else that costs begins either; what was queued waits, and a repeat is answered', async () => {
  const files = { 'index.js': Buffer.from('exports.handler = () => 42').toString('base64') }
  await platform.json('PUT', '/v1/functions/f', { runtime: 'node24', files })
  await platform.json('POST', '/v1/buckets', { name: 'inbox' })
  await platform.json('POST', '/v1/functions/f/storage-triggers', { bucket: 'inbox' })
  assert.equal((await platform.call('POST', '/v1/functions/f/invoke', {}, keyed('before'))).status, 200)
  const asks = { calls: [{ name: 'ask_human', arguments: { question: 'May I?' } }] }
  const agent = { name: 'a', model: 'scripted', tools: ['ask_human'], script: [{ text: 'Hello.' }, asks] }
  await platform.json('PUT', '/v1/agents/a', agent)
  const session = await platform.json('POST', '/v1/sessions', { agent: 'a' })
  const message = () => platform.call('POST', `/v1/runs/${session.runId}/messages`, { text: 'Go on.' })
  assert.ok((await message()).ok)
  await settledRun(platform, session.runId)
  const path = await platform.sandbox()
  const isPaused = (await platform.call('POST', `${path}/pause`, {})).ok

  await platform.json('PUT', '/v1/billing/limits', { hard: usd('0.00') })
  const refused: [string, () => Promise<Response>][] = [
    ['a call', () => platform.call('POST', '/v1/functions/f/invoke', {})],
    ['a call with a key', () => platform.call('POST', '/v1/functions/f/invoke', {}, keyed('after'))],
    ['a queued call', () => platform.call('POST', '/v1/functions/f/invocations', {})],
    ['a run', () => platform.call('POST', '/v1/runs', { agent: 'a', input: 'Do it.' })],
    ['a session', () => platform.call('POST', '/v1/sessions', { agent: 'a' })],
    ['a message', message],
    ['a fork', () => platform.call('POST', `/v1/runs/${session.runId}/fork`, { at: 1 })],
  ]
  if (isPaused) refused.push(['a resume', () => platform.call('POST', `${path}/resume`, {})])
  for (const [what, ask] of refused) {
    const answer = await ask()
    assert.equal(answer.status, 429, what)
    const { code, message } = (await answer.json()) as Answer
    assert.deepEqual([code, /its limit is 0\.00 USD/.test(message)], ['limit_exceeded', true], what)
  }
  assert.equal((await platform.call('POST', '/v1/functions/f/invoke', {}, keyed('before'))).status, 200, 'a repeat')
  assert.equal((await platform.json('GET', `/v1/runs/${session.runId}`)).state, 'waiting')
  if (isPaused) assert.equal((await platform.json('GET', path)).state, 'paused')
  const calls = async (): Promise<Answer[]> =>
    (await platform.json('GET', '/v1/functions/f/invocations?limit=100')).invocations.filter(
      ({ trigger }: Answer) => trigger === 'storage',
    )
  for (const key of ['one', 'two']) {
    await platform.json('PUT', `/v1/buckets/inbox/objects/${key}`, key)
    await until('its call is recorded', async () => (await calls()).some(({ state }) => state === 'waiting'))
  }

  const raisedAt = Date.now()
  await platform.json('PUT', '/v1/billing/limits', { hard: null })
  const made = await until('they are made', async () => {
    const found = await calls()
    return found.length === 2 && found.every(({ state }) => state === 'succeeded') ? found : undefined
  })
  for (const { startedAt } of made)
    assert.ok(Date.parse(startedAt) >= raisedAt, `${startedAt} is before the limit was raised`)
  for (const [what, ask] of refused) {
    const answer = await ask()
    assert.ok(answer.ok, `${what}: ${answer.status} ${await answer.text()}`)
  }
  await platform.call('DELETE', path)
})

test('a payment that is asked after settles only with what was asked for, in its currency', async () => {
  const minorOf = async () => Math.round(Number((await platform.json('GET', '/v1/billing')).wallet.amount) * 100)
  const before = await minorOf()
  const made = await (await pay('poll-1', { provider: 'stripe', amount: usd('20.00') })).json()
  const intent = stripe.intents.get(made.reference)!
  const ask = () => platform.call('GET', `/v1/billing/payments/${made.id}`)
  const lies = [
    { status: 'succeeded', amount_received: 1_999 },
    { status: 'succeeded', amount_received: 2_001 },
    { status: 'succeeded', amount_received: 2_000, currency: 'eur' },
    { status: 'requires_payment_method', amount: 1_999 },
  ]
  for (const lie of lies) {
    stripe.intents.set(made.reference, { ...intent, ...lie })
    const answer = await ask()
    assert.equal(answer.status, 409, JSON.stringify(lie))
    assert.match((await answer.json()).message, /is of 2000 USD, and stripe tells of/)
    const { payments } = await platform.json('GET', '/v1/billing/payments')
    assert.equal(payments.find(({ id }: Answer) => id === made.id).state, 'pending')
    assert.equal(await minorOf(), before)
  }
  stripe.intents.set(made.reference, { ...intent, status: 'succeeded', amount_received: 2_000 })
  assert.equal((await (await ask()).json()).state, 'succeeded')
  assert.equal(await minorOf(), before + 2_000)
  await isRight()
})

test('what cannot be is refused by its boundary, and changes nothing', async () => {
  const before = await isRight()
  const bad: [string, string, unknown, number][] = [
    ['PUT', '/v1/billing/plan', { plan: 'none' }, 404],
    ['PUT', '/v1/billing/plan', { plan: 'basic', currency: 'EUR' }, 409],
    ['PUT', '/v1/billing/plan', { plan: 'basic', price: 0 }, 400],
    ['PUT', '/v1/billing/limits', { hard: usd('-1.00') }, 400],
    ['PUT', '/v1/billing/limits', { hard: { currency: 'EUR', amount: '1.00' } }, 400],
    ['PUT', '/v1/billing/limits', { hard: usd('1e9') }, 400],
    ['POST', '/v1/billing/coupons', { code: 'NONE' }, 404],
    ['PUT', '/v1/billing/coupons/BAD', { basisPoints: 10_001 }, 400],
    ['PUT', '/v1/billing/plans/bad', { name: 'x' }, 400],
    ['POST', '/v1/billing/payments', { provider: 'stripe', amount: usd('1.00') }, 400],
    ['GET', '/v1/billing/notices/stripe', undefined, 405],
  ]
  for (const [method, path, body, status] of bad)
    assert.equal((await platform.call(method, path, body)).status, status, `${method} ${path} ${JSON.stringify(body)}`)
  const amounts = ['0.00', '-5.00', '1.001', '99999999999999999999', '92233720368547758.08']
  for (const amount of amounts)
    assert.equal((await pay('bad', { provider: 'stripe', amount: usd(amount) })).status, 400, amount)
  assert.equal((await pay('bad', { provider: 'stripe', amount: { currency: 'XYZ', amount: '1' } })).status, 400)
  assert.equal((await pay('bad', { provider: 'stripe', amount: { currency: 'EUR', amount: '1' } })).status, 409)
  assert.equal((await pay('bad', { provider: 'cash', amount: usd('1.00') })).status, 400)
  const found = await isRight()
  assert.deepEqual([found.postings, found.payments], [before.postings, before.payments])
})

test('a card is bound with its code and pays, told by the bank itself; the demo walks the whole', async () => {
  const card = await platform.json('POST', '/v1/billing/cards', { number: '4242424242424242', currency: 'CNY' })
  assert.equal((await platform.call('POST', `/v1/billing/cards/${card.id}/confirm`, { code: '0000000' })).status, 400)
  await platform.json('POST', `/v1/billing/cards/${card.id}/confirm`, { code: card.code })
  const made = await (await pay('bank-1', { provider: 'bank', method: card.id, amount: usd('12.34') })).json()
  assert.equal(made.state, 'pending')
  const { steps } = await platform.json('POST', '/v1/billing/demo')
  assert.match(steps.at(-1).what, /difference 0$/)
  await isRight()
})
