import { type Static, Type } from 'typebox'
import type { Invoice, Line } from '../../billing/invoice.ts'
import { type Meter, meterNames, meters, type Quantities } from '../../billing/meter.ts'
import { type Money, MoneyView, showMoney } from '../../billing/money.ts'
import type { Payment } from '../../billing/payments/payment.ts'
import { type Plan, PlanTerms } from '../../billing/plan.ts'
import { named } from './schema.ts'

const Time = Type.String({ format: 'date-time' })
const money = named(MoneyView)

export const PlanView = Type.Object(
  { id: Type.String(), version: Type.Integer(), terms: named(PlanTerms) },
  { $id: 'Plan' },
)

export const LineView = Type.Object(
  {
    kind: Type.Enum(['fee', 'usage', 'discount', 'credit']),
    plan: Type.Optional(Type.Object({ id: Type.String(), version: Type.Integer() })),
    from: Type.Optional(Time),
    until: Type.Optional(Time),
    meter: Type.Optional(Type.Enum(meterNames)),
    facts: Type.Integer({ description: 'How many facts of use it adds up.' }),
    quantity: Type.String({ description: 'A whole number, in the unit the meter counts in.' }),
    code: Type.Optional(Type.String({ description: 'Of the coupon.' })),
    amount: money,
  },
  { $id: 'InvoiceLine' },
)

export const InvoiceView = Type.Object(
  {
    id: Type.String(),
    kind: Type.Enum(['invoice', 'credit_note']),
    number: Type.Optional(Type.String()),
    state: Type.Enum(['drafted', 'issued', 'paid', 'void']),
    periodStart: Time,
    periodEnd: Time,
    facts: Type.Integer(),
    fromSeq: Type.Integer({ description: 'The facts of use it takes were written after this one' }),
    toSeq: Type.Integer({ description: 'and up to this one, beside those that were left for it.' }),
    total: money,
    credited: money,
    corrects: Type.Optional(Type.String({ description: 'Of a credit note: the id of the invoice.' })),
    memo: Type.Optional(Type.String()),
    issuedAt: Type.Optional(Time),
    lines: Type.Optional(Type.Array(named(LineView))),
  },
  { $id: 'Invoice' },
)

export const UsageView = Type.Object(
  {
    kind: Type.String(),
    subject: Type.String(),
    facts: Type.Integer(),
    quantities: Type.Record(Type.String(), Type.String(), {
      description: `Whole numbers as measured: ${meterNames.map((meter) => `${meter} (${meters[meter].size} are one ${meters[meter].shown})`).join(', ')}.`,
    }),
  },
  { $id: 'UsageOfSubject' },
)

export const PaymentView = Type.Object(
  {
    id: Type.String(),
    provider: Type.String(),
    purpose: Type.Enum(['top_up', 'invoice']),
    invoice: Type.Optional(Type.String()),
    amount: money,
    state: Type.Enum(['created', 'pending', 'succeeded', 'failed']),
    reason: Type.Optional(Type.String()),
    reference: Type.Optional(Type.String({ description: 'What the provider calls it.' })),
    createdAt: Time,
    settledAt: Type.Optional(Time),
    clientSecret: Type.Optional(Type.String({ description: 'With it the browser of the payer completes it.' })),
  },
  { $id: 'Payment' },
)

export const billingViews = [MoneyView, PlanTerms, PlanView, LineView, InvoiceView, UsageView, PaymentView]

export function planView({ id, version, terms }: Plan): Static<typeof PlanView> {
  return { id, version, terms }
}

export function lineView(line: Omit<Line, 'position'>, currency: string): Static<typeof LineView> {
  const { kind, plan, segment, meter, facts, quantity, minor, code } = line
  return {
    kind,
    ...(plan ? { plan: { id: plan.id, version: plan.version } } : {}),
    ...(segment ? { from: segment.start.toISOString(), until: segment.end.toISOString() } : {}),
    ...(meter ? { meter: meter as Meter } : {}),
    facts,
    quantity: String(quantity),
    ...(code ? { code } : {}),
    amount: showMoney({ currency, minor }),
  }
}

export function invoiceView(invoice: Invoice, lines?: readonly Line[]): Static<typeof InvoiceView> {
  const { id, kind, number, state, currency, facts, fromSeq, toSeq, corrects, memo, issuedAt } = invoice
  const amount = (minor: bigint) => showMoney({ currency, minor })
  return {
    id,
    kind,
    ...(number ? { number } : {}),
    state,
    periodStart: invoice.periodStart.toISOString(),
    periodEnd: invoice.periodEnd.toISOString(),
    facts,
    fromSeq,
    toSeq,
    total: amount(invoice.total),
    credited: amount(invoice.credited),
    ...(corrects ? { corrects } : {}),
    ...(memo ? { memo } : {}),
    ...(issuedAt ? { issuedAt: issuedAt.toISOString() } : {}),
    ...(lines ? { lines: lines.map((line) => lineView(line, currency)) } : {}),
  }
}

export function quantitiesView(quantities: Quantities): Record<string, string> {
  return Object.fromEntries(Object.entries(quantities).map(([meter, quantity]) => [meter, String(quantity)]))
}

export function paymentView({
  payment,
  clientSecret,
}: {
  payment: Payment
  clientSecret?: string
}): Static<typeof PaymentView> {
  const { id, provider, purpose, invoice, currency, minor, state, reason, reference, createdAt, settledAt } = payment
  return {
    id,
    provider,
    purpose,
    ...(invoice ? { invoice } : {}),
    amount: showMoney({ currency, minor }),
    state,
    ...(reason ? { reason } : {}),
    ...(reference ? { reference } : {}),
    createdAt: createdAt.toISOString(),
    ...(settledAt ? { settledAt: settledAt.toISOString() } : {}),
    ...(clientSecret ? { clientSecret } : {}),
  }
}

export function moneyView(money: Money): MoneyView {
  return showMoney(money)
}

export const PageQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  after: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1_000_000_000, default: 0, description: 'How many to pass by.' }),
  ),
})
export type PageQuery = Static<typeof PageQuery>

export function pageOf({ limit = 100, after = 0 }: PageQuery): { limit: number; after: number } {
  return { limit, after }
}

/** Of what moves money: it must not be done twice. */
export const keyHeader = (what: string) =>
  Type.Object({
    'idempotency-key': Type.String({
      minLength: 1,
      maxLength: 128,
      pattern: '^[\\x21-\\x7e]+$',
      description: `Names this ${what}: sent again it is the same one, not a second.`,
    }),
  })
export type KeyHeader = Static<ReturnType<typeof keyHeader>>
