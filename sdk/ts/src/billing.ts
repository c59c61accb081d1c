import type { Transport } from './transport.ts'

/** An amount as a decimal number, such as `{ currency: 'USD', amount: '12.50' }`. */
export interface Money {
  currency: string
  amount: string
}

export interface Plan {
  id: string
  version: number
  terms: {
    name: string
    concurrency: number
    minimumMs: number
    included: Record<string, number>
    prices: Record<string, { monthly: number; rates: Record<string, { minor: number; per: number }> }>
  }
}

export interface BillingOverview {
  currency: string
  plan: Plan
  since?: string
  wallet: Money
  spentThisMonth: Money
  softLimit?: Money
  hardLimit?: Money
  coupons: string[]
  providers: string[]
}

export interface InvoiceLine {
  kind: 'fee' | 'usage' | 'discount' | 'credit'
  plan?: { id: string; version: number }
  from?: string
  until?: string
  meter?: string
  facts: number
  quantity: string
  code?: string
  amount: Money
}

export interface Invoice {
  id: string
  kind: 'invoice' | 'credit_note'
  number?: string
  state: 'drafted' | 'issued' | 'paid' | 'void'
  periodStart: string
  periodEnd: string
  facts: number
  fromSeq: number
  toSeq: number
  total: Money
  credited: Money
  corrects?: string
  memo?: string
  issuedAt?: string
  lines?: InvoiceLine[]
}

export interface UsagePreview {
  periodStart: string
  until: string
  facts: number
  lines: InvoiceLine[]
  total: Money
}

export interface UsageOfSubject {
  kind: string
  subject: string
  facts: number
  quantities: Record<string, string>
}

export interface Payment {
  id: string
  provider: string
  purpose: 'top_up' | 'invoice'
  invoice?: string
  amount: Money
  state: 'created' | 'pending' | 'succeeded' | 'failed'
  reason?: string
  reference?: string
  createdAt: string
  settledAt?: string
  clientSecret?: string
}

export interface NewPayment {
  provider: string
  invoice?: string | undefined
  amount?: Money | undefined
  method?: string | undefined
  /** Sent again with the same key it is the same payment. */
  key: string
}

export interface Card {
  id: string
  last4: string
  currency: string
  state: 'unconfirmed' | 'bound' | 'refused'
  code?: string
}

export interface BillingVerification {
  difference: number
  differences: { what: string; subject: string; currency: string; expected: string; found: string }[]
  facts: number
  invoices: number
  lines: number
  postings: number
  payments: number
}

export interface DemoStep {
  step: string
  what: string
  amount?: string
}

export interface CouponTerms {
  /** Hundredths of a percent; either this or `minor`. */
  basisPoints?: number
  /** In the smallest unit of `currency`. */
  minor?: number
  currency?: string
  /** With the one it is redeemed in. Default: always. */
  months?: number
  mostRedemptions?: number
  redeemBefore?: string
}

export interface NewCreditNote {
  amount: Money
  memo: string
  /** Sent again with the same key it is the same credit note. */
  key: string
}

interface Posting {
  seq: number
  key: string
  at: string
  entries: { account: string; amount: Money }[]
}

/** Plans, invoices and payments of an account; what the operator alone may do says so. */
export class Billing {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  overview(): Promise<BillingOverview> {
    return this.#transport.json('GET', '/v1/billing')
  }

  async plans(): Promise<Plan[]> {
    return (await this.#transport.json<{ plans: Plan[] }>('GET', '/v1/billing/plans')).plans
  }

  /** From now on. The currency is chosen once. */
  takePlan(plan: string, options: { currency?: string | undefined } = {}): Promise<BillingOverview> {
    return this.#transport.json('PUT', '/v1/billing/plan', { json: { plan, ...options } })
  }

  /** A new version of a plan. The operator alone. */
  writePlan(plan: string, terms: Plan['terms']): Promise<Plan> {
    return this.#transport.json('PUT', `/v1/billing/plans/${encodeURIComponent(plan)}`, { json: terms })
  }

  /** Null takes a limit away; what is absent stays. */
  setLimits(limits: { soft?: Money | null | undefined; hard?: Money | null | undefined }): Promise<BillingOverview> {
    return this.#transport.json('PUT', '/v1/billing/limits', { json: limits })
  }

  redeemCoupon(code: string): Promise<void> {
    return this.#transport.done('POST', '/v1/billing/coupons', { json: { code } })
  }

  /** One that accounts can redeem from now on. The operator alone. */
  createCoupon(code: string, terms: CouponTerms): Promise<void> {
    return this.#transport.done('PUT', `/v1/billing/coupons/${encodeURIComponent(code)}`, { json: terms })
  }

  /** What an invoice of everything until now would say. */
  usage(): Promise<UsagePreview> {
    return this.#transport.json('GET', '/v1/billing/usage')
  }

  /** Newest first, without their lines. */
  async invoices(options: { limit?: number; after?: number } = {}): Promise<Invoice[]> {
    return (await this.#transport.json<{ invoices: Invoice[] }>('GET', '/v1/billing/invoices', { query: options }))
      .invoices
  }

  invoice(id: string): Promise<Invoice> {
    return this.#transport.json('GET', invoicePath(id))
  }

  async invoicePdf(id: string): Promise<Uint8Array> {
    const response = await this.#transport.send('GET', `${invoicePath(id)}/pdf`)
    return new Uint8Array(await response.arrayBuffer())
  }

  /** What each resource used, the ones with the most time first. */
  async invoiceUsage(id: string): Promise<UsageOfSubject[]> {
    return (await this.#transport.json<{ usage: UsageOfSubject[] }>('GET', `${invoicePath(id)}/usage`)).usage
  }

  /** Of an account, before its month is over. Called again with the same key it is the same one. The operator alone. */
  closeInvoice(account: string, { key, ...options }: { key: string; until?: string | undefined }): Promise<Invoice> {
    return this.#transport.json('POST', `/v1/billing/accounts/${encodeURIComponent(account)}/invoices`, {
      json: options,
      headers: { 'Idempotency-Key': key },
    })
  }

  /** Takes back some of an invoice of an account. The operator alone. */
  creditNote(account: string, invoice: string, { key, ...note }: NewCreditNote): Promise<Invoice> {
    const path = `/v1/billing/accounts/${encodeURIComponent(account)}/invoices/${encodeURIComponent(invoice)}/credit-notes`
    return this.#transport.json('POST', path, { json: note, headers: { 'Idempotency-Key': key } })
  }

  /** An invoice, or without one money into the wallet. */
  pay({ key, ...payment }: NewPayment): Promise<Payment> {
    return this.#transport.json('POST', '/v1/billing/payments', { json: payment, headers: { 'Idempotency-Key': key } })
  }

  async payments(): Promise<Payment[]> {
    return (await this.#transport.json<{ payments: Payment[] }>('GET', '/v1/billing/payments')).payments
  }

  payment(id: string): Promise<Payment> {
    return this.#transport.json('GET', `/v1/billing/payments/${encodeURIComponent(id)}`)
  }

  /** At the sandbox bank, which answers the code that another would send to a phone. */
  bindCard(number: string, currency: string): Promise<Card> {
    return this.#transport.json('POST', '/v1/billing/cards', { json: { number, currency } })
  }

  confirmCard(card: string, code: string): Promise<Card> {
    return this.#transport.json('POST', `/v1/billing/cards/${encodeURIComponent(card)}/confirm`, { json: { code } })
  }

  /** Postings after `after`, oldest first. The operator alone. */
  async ledger(options: { account?: string; after?: number; limit?: number } = {}): Promise<Posting[]> {
    return (await this.#transport.json<{ postings: Posting[] }>('GET', '/v1/billing/ledger', { query: options }))
      .postings
  }

  /** Computes all invoices and the ledger once more. The operator alone. */
  verify(): Promise<BillingVerification> {
    return this.#transport.json('GET', '/v1/billing/verification')
  }

  /** Walks a payment across borders that only plays. The operator alone. */
  async demo(): Promise<DemoStep[]> {
    return (await this.#transport.json<{ steps: DemoStep[] }>('POST', '/v1/billing/demo')).steps
  }
}

function invoicePath(id: string): string {
  return `/v1/billing/invoices/${encodeURIComponent(id)}`
}
