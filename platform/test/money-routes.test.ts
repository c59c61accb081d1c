import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Answer, keyed, startPlatform } from './platform.ts'
import { startStripe } from './stripe.ts'

/**
 * Every route that has to do with money × what must not be: the same twice at once, amounts below zero or larger than can be held, and
 * another currency. The routes are read from the OpenAPI document, so a new one needs its row here.
 */
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
const eur = (amount: string) => ({ currency: 'EUR', amount })
/** More than the smallest unit can count, more digits than an amount has, and no decimal number. */
const overflows = ['92233720368547758.08', '99999999999999999999', '1e30']
const most = Number.MAX_SAFE_INTEGER
const rate = { minor: 1, per: 60_000 }
const terms = (prices: object) => ({ name: 'P', concurrency: 1, minimumMs: 0, included: {}, prices })
const dear = terms({ USD: { monthly: 1_000_000_000, rates: { cpu: rate } } })

let keys = 0
const fresh = () => keyed(`key-${keys++}`)
const [invoice, toPay] = await prepared()
const card = await platform.json('POST', '/v1/billing/cards', { number: '4242424242424242', currency: 'CNY' })

interface Row {
  /** What is sent in order: with one key where it takes one. */
  good: unknown
  below: readonly unknown[] | string
  overflow: readonly unknown[] | string
  currency: readonly unknown[] | string
  /** Where it is for the route, and its parameters filled in. */
  path?: string
  takesKey?: true
}

const none = 'it takes no amount'
const rows: Record<string, Row> = {
  'PUT /v1/billing/plan': {
    good: { plan: 'pro' },
    ...{ below: none, overflow: none },
    currency: [
      { plan: 'basic', currency: 'EUR' },
      { plan: 'basic', currency: 'XYZ' },
      { plan: 'basic', currency: 'usd' },
    ],
  },
  'PUT /v1/billing/limits': {
    good: { soft: usd('10.00'), hard: usd('1000000.00') },
    below: [{ hard: usd('-0.01') }, { soft: usd('-1.00') }],
    overflow: overflows.flatMap((amount) => [{ hard: usd(amount) }, { soft: usd(amount) }]),
    currency: [{ hard: eur('1.00') }, { soft: eur('1.00') }, { hard: { currency: 'XYZ', amount: '1' } }],
  },
  'POST /v1/billing/coupons': {
    good: { code: 'LESS' },
    ...{ below: none, overflow: none },
    currency: [{ code: 'EUROS' }],
  },
  'PUT /v1/billing/plans/{plan}': {
    path: '/v1/billing/plans/written',
    good: dear,
    below: [
      terms({ USD: { monthly: -1, rates: {} } }),
      terms({ USD: { monthly: 1, rates: { cpu: { minor: -1, per: 1 } } } }),
      terms({ USD: { monthly: 1, rates: { cpu: { minor: 1, per: 0 } } } }),
      { ...dear, included: { cpu: -1 } },
      { ...dear, minimumMs: -1 },
    ],
    overflow: [
      terms({ USD: { monthly: most + 1, rates: {} } }),
      terms({ USD: { monthly: 1e30, rates: {} } }),
      terms({ USD: { monthly: 1, rates: { cpu: { minor: most + 1, per: 1 } } } }),
      { ...dear, included: { cpu: 1e30 } },
    ],
    currency: [terms({ XYZ: { monthly: 1, rates: {} } }), terms({ usd: { monthly: 1, rates: {} } })],
  },
  'PUT /v1/billing/coupons/{code}': {
    path: '/v1/billing/coupons/WRITTEN',
    good: { minor: 5, currency: 'USD' },
    below: [{ minor: -5, currency: 'USD' }, { minor: 0, currency: 'USD' }, { basisPoints: -1 }],
    overflow: [{ minor: most + 1, currency: 'USD' }, { basisPoints: 10_001 }],
    currency: [{ minor: 5, currency: 'XYZ' }, { minor: 5 }, { basisPoints: 5, currency: 'USD' }],
  },
  'POST /v1/billing/accounts/{account}/invoices': {
    path: '/v1/billing/accounts/org0/invoices',
    good: {},
    ...{ below: none, overflow: none, currency: none },
    takesKey: true,
  },
  'POST /v1/billing/accounts/{account}/invoices/{invoice}/credit-notes': {
    path: `/v1/billing/accounts/org0/invoices/${invoice.id}/credit-notes`,
    good: { amount: usd('1.00'), memo: 'an outage' },
    below: ['-1.00', '0.00'].map((amount) => ({ amount: usd(amount), memo: 'an outage' })),
    overflow: ['92233720368547758.07', ...overflows].map((amount) => ({ amount: usd(amount), memo: 'an outage' })),
    currency: [eur('1.00'), { currency: 'XYZ', amount: '1' }].map((amount) => ({ amount, memo: 'an outage' })),
    takesKey: true,
  },
  'POST /v1/billing/payments': {
    good: { provider: 'wallet', invoice: toPay.id },
    below: ['-1.00', '0.00'].map((amount) => ({ provider: 'stripe', amount: usd(amount) })),
    overflow: overflows.map((amount) => ({ provider: 'stripe', amount: usd(amount) })),
    currency: [
      { provider: 'stripe', amount: eur('1.00') },
      { provider: 'bank', method: 'card-none', amount: eur('1.00') },
      { provider: 'wallet', invoice: toPay.id, amount: { ...toPay.total, currency: 'EUR' } },
      { provider: 'stripe', amount: { currency: 'XYZ', amount: '1' } },
    ],
    takesKey: true,
  },
  'POST /v1/billing/cards/{card}/confirm': {
    path: `/v1/billing/cards/${card.id}/confirm`,
    good: { code: card.code },
    ...{ below: none, overflow: none, currency: none },
  },
}

/** What is no route of a tenant's or an operator's money, or is sent by somebody who has no key. */
const others: Record<string, string> = {
  'POST /v1/billing/cards': 'each call begins with another card, which is worth nothing until it is confirmed',
  'POST /v1/billing/notices/{provider}':
    'signed by the provider: see billing.test.ts for what is replayed, forged and of another amount',
  'POST /v1/billing/demo': 'plays with an account of its own each time',
}

test('every route that changes something about money is looked at here', async () => {
  const { paths } = await (await platform.fetch('/openapi.json')).json()
  const found = Object.entries<Answer>(paths)
    .filter(([path]) => path.startsWith('/v1/billing'))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((route) => !route.startsWith('GET '))
  assert.deepEqual(found.sort(), [...Object.keys(rows), ...Object.keys(others)].sort())
})

for (const [route, row] of Object.entries(rows)) {
  const [method, template] = route.split(' ') as [string, string]
  const path = row.path ?? template
  const ask = (body: unknown, init = row.takesKey ? fresh() : {}) => platform.call(method, path, body, init)

  for (const kind of ['below', 'overflow', 'currency'] as const) {
    const bodies = row[kind]
    if (typeof bodies === 'string') continue
    test(`${route}: ${kind} is refused, and nothing has changed`, async () => {
      const before = await state()
      for (const body of bodies) {
        const answer = await ask(body)
        const problem = (await answer.json()) as Answer
        const sent = `${JSON.stringify(body)}: ${answer.status} ${JSON.stringify(problem)}`
        assert.ok(answer.status === 400 || answer.status === 409, sent)
        assert.match(problem.code, /^(invalid_request|conflict)$/, sent)
        assert.ok(problem.message && problem.requestId, sent)
      }
      assert.deepEqual(await state(), before)
    })
  }

  test(`${route}: sent five times at once and once more it is done once`, async () => {
    const init = row.takesKey ? fresh() : {}
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(row.good, init)))
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    for (const [at, { status }] of answers.entries()) assert.ok(status < 300, `${status} ${texts[at]}`)
    const once = await state()
    const again = await ask(row.good, init)
    assert.ok(again.ok, await again.text())
    assert.deepEqual(await state(), once)
    if (answers[0]!.status !== 204 && method === 'POST')
      for (const text of texts) assert.equal(idOf(text), idOf(texts[0]!))
  })
}

test('a key that named one thing names no other', async () => {
  const again = keyed('named')
  const body = { provider: 'bank', method: card.id, amount: usd('3.00') }
  assert.equal((await platform.call('POST', '/v1/billing/payments', body, again)).status, 200)
  const notes = `/v1/billing/accounts/org0/invoices/${invoice.id}/credit-notes`
  const note = { amount: usd('1.00'), memo: 'an outage' }
  assert.equal((await platform.call('POST', notes, note, again)).status, 200, 'those of payments are of payments')
  const before = await state()
  const refused: [string, unknown][] = [
    ['/v1/billing/payments', { ...body, amount: usd('3.01') }],
    ['/v1/billing/payments', { ...body, method: 'card-other' }],
    ['/v1/billing/payments', { provider: 'stripe', amount: usd('3.00') }],
    [notes, { ...note, memo: 'another' }],
    ['/v1/billing/accounts/org0/invoices', {}],
  ]
  for (const [path, other] of refused) {
    const answer = await platform.call('POST', path, other, again)
    const problem = (await answer.json()) as Answer
    assert.deepEqual([answer.status, problem.code], [409, 'conflict'], `${path} ${JSON.stringify(problem)}`)
    assert.match(problem.message, /the idempotency key "named" was used for another/)
  }
  const issued = await platform.json('POST', '/v1/billing/accounts/org0/invoices', {}, keyed('issued'))
  const until = (end: string) =>
    platform.call('POST', '/v1/billing/accounts/org0/invoices', { until: end }, keyed('issued'))
  assert.equal((await until(issued.periodEnd)).status, 200)
  assert.equal((await until('2026-01-01')).status, 409)
  assert.equal((await state()).numbers.length, before.numbers.length + 1)
})

test('an account that is none is not found, whatever the operator wants of it', async () => {
  const before = await state()
  const wanted: [string, unknown][] = [
    ['/v1/billing/accounts/org-none/invoices', {}],
    ['/v1/billing/accounts/org-none/invoices', { until: '2026-01-01T00:00:00Z' }],
    [`/v1/billing/accounts/org-none/invoices/${invoice.id}/credit-notes`, { amount: usd('1.00'), memo: 'x' }],
  ]
  for (const [path, body] of wanted) {
    const answer = await platform.call('POST', path, body, fresh())
    const problem = (await answer.json()) as Answer
    assert.deepEqual([answer.status, problem.code], [404, 'not_found'], path)
    assert.match(problem.message, /there is no organisation "org-none"/)
    assert.match(problem.hint, /warren org list/)
  }
  const { id } = await platform.json('POST', '/v1/orgs', { name: 'without-a-plan' })
  const answer = await platform.call('POST', `/v1/billing/accounts/${id}/invoices`, {}, fresh())
  assert.deepEqual([answer.status, (await answer.json()).code], [409, 'conflict'], 'one that has no plan is there')
  assert.equal((await platform.call('POST', '/v1/billing/accounts/org0/invoices', { until: '1' }, fresh())).status, 400)
  assert.deepEqual(await state(), before)
})

test('what is refused leaves an organisation free to choose its currency', async () => {
  const { as } = await organisation('free-to-choose')
  for (const [method, path, body, status] of [
    ['PUT', '/v1/billing/limits', { hard: eur('1.00') }, 400],
    ['POST', '/v1/billing/coupons', { code: 'NONE' }, 404],
    ['POST', '/v1/billing/coupons', { code: 'EUROS' }, 409],
    ['PUT', '/v1/billing/plan', { plan: 'none' }, 404],
    ['POST', '/v1/billing/payments', { provider: 'cash', amount: usd('1.00') }, 400],
  ] as const)
    assert.equal((await as(method, path, body)).status, status, `${method} ${path}`)
  const taken = await as('PUT', '/v1/billing/plan', { plan: 'basic', currency: 'EUR' })
  assert.equal(taken.status, 200, await taken.text())
  assert.equal((await as('POST', '/v1/billing/coupons', { code: 'EUROS' })).status, 204)
})

test('a coupon that holds three times is redeemed by three of eight organisations at once', async () => {
  await platform.json('PUT', '/v1/billing/coupons/THREE', { basisPoints: 100, mostRedemptions: 3 })
  const all = await Promise.all(Array.from({ length: 8 }, (_, at) => organisation(`at-once-${at}`)))
  const answers = await Promise.all(all.map(({ as }) => as('POST', '/v1/billing/coupons', { code: 'THREE' })))
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 204, 204, 404, 404, 404, 404, 404])
})

test('one limit that is set leaves the other, also when both are set at once', async () => {
  const { as } = await organisation('two-limits')
  for (let round = 1; round <= 10; round++) {
    const soft = { soft: usd(`${round}.00`) }
    const hard = { hard: usd(`${round}.50`) }
    await Promise.all([soft, hard].map((body) => as('PUT', '/v1/billing/limits', body)))
    const { softLimit, hardLimit } = await (await as('GET', '/v1/billing')).json()
    assert.deepEqual([softLimit, hardLimit], [soft.soft, hard.hard])
  }
})

/** Two invoices of the first organisation, of which one is to be paid, money in its wallet, and coupons. */
async function prepared(): Promise<[Answer, Answer]> {
  await platform.json('PUT', '/v1/billing/coupons/LESS', { minor: 1, currency: 'USD' })
  await platform.json('PUT', '/v1/billing/coupons/EUROS', { minor: 1, currency: 'EUR' })
  await platform.json('PUT', '/v1/billing/plans/dear', dear)
  await platform.json('PUT', '/v1/billing/plan', { plan: 'dear', currency: 'USD' })
  const invoices: Answer[] = []
  for (let at = 0; at < 2; at++) {
    // Long enough that something is to be paid for it.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    invoices.push(await platform.json('POST', '/v1/billing/accounts/org0/invoices', {}, fresh()))
  }
  const topUp = { provider: 'stripe', amount: usd('900000.00') }
  const made = await platform.json('POST', '/v1/billing/payments', topUp, fresh())
  const intent = stripe.intents.get(made.reference)!
  const { body, signature } = stripe.event('payment_intent.succeeded', {
    ...intent,
    status: 'succeeded',
    amount_received: intent.amount,
  })
  const told = await platform.fetch('/v1/billing/notices/stripe', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'stripe-signature': signature },
  })
  assert.deepEqual(await told.json(), { news: true })
  for (const { total } of invoices) assert.ok(Number(total.amount) > 5, `${total.amount} is to be paid`)
  return [invoices[0], invoices[1]]
}

async function organisation(name: string) {
  const { id } = await platform.json('POST', '/v1/orgs', { name })
  const as = (method: string, path: string, body?: unknown) =>
    platform.call(method, path, body, { headers: { 'warren-organisation': id, ...fresh().headers } })
  return { id, as }
}

/** All that a request about money could have changed. */
async function state() {
  const { differences, postings, payments } = await platform.json('GET', '/v1/billing/verification')
  assert.deepEqual(differences, [])
  const { spentThisMonth: _, ...overview } = await platform.json('GET', '/v1/billing')
  const { invoices } = await platform.json('GET', '/v1/billing/invoices')
  const { plans } = await platform.json('GET', '/v1/billing/plans')
  const { cards } = await platform.json('GET', '/v1/billing/cards')
  const numbers = invoices.map(({ id, number, state, credited }: Answer) => [id, number, state, credited.amount])
  return { postings, payments, overview, numbers, plans, cards }
}

function idOf(text: string): unknown {
  return JSON.parse(text).id
}
