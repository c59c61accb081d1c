import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Accounts } from '../../accounts/accounts.ts'
import type { Billing } from '../../billing/billing.ts'
import { CouponTerms } from '../../billing/coupon.ts'
import { MoneyView, parsePayment } from '../../billing/money.ts'
import { PlanTerms } from '../../billing/plan.ts'
import { InvoiceView, invoiceView, type KeyHeader, keyHeader, moneyView, PlanView, planView } from './billing-views.ts'
import { json, Nothing, named, problems } from './schema.ts'

const PlanParams = Type.Object({ plan: Type.String({ pattern: '^[a-z0-9-]{1,64}$' }) })
const CouponParams = Type.Object({ code: Type.String({ pattern: '^[A-Z0-9-]{1,64}$' }) })
const InvoiceParams = Type.Object({ account: Type.String({ maxLength: 64 }), invoice: Type.String({ maxLength: 64 }) })
const AccountParams = Type.Object({ account: Type.String({ maxLength: 64 }) })

const CloseInvoice = Type.Object(
  {
    until: Type.Optional(
      Type.String({ format: 'date-time', maxLength: 40, description: 'End of the period; default: now.' }),
    ),
  },
  { $id: 'CloseInvoice', additionalProperties: false },
)
const NewCreditNote = Type.Object(
  { amount: named(MoneyView), memo: Type.String({ minLength: 1, maxLength: 200, format: 'plain-text' }) },
  { $id: 'NewCreditNote', additionalProperties: false },
)
const PostingList = Type.Object(
  {
    postings: Type.Array(
      Type.Object({
        seq: Type.Integer(),
        key: Type.String(),
        at: Type.String({ format: 'date-time' }),
        entries: Type.Array(Type.Object({ account: Type.String(), amount: named(MoneyView) })),
      }),
    ),
  },
  { $id: 'PostingList' },
)
const LedgerQuery = Type.Object({
  account: Type.Optional(Type.String({ maxLength: 128, description: 'How the names of the accounts begin.' })),
  after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
})
const VerificationView = Type.Object(
  {
    difference: Type.Number({ description: 'Of all differences together, in smallest units.' }),
    differences: Type.Array(
      Type.Object({
        what: Type.String(),
        subject: Type.String(),
        currency: Type.String(),
        expected: Type.String(),
        found: Type.String(),
      }),
    ),
    facts: Type.Integer(),
    invoices: Type.Integer(),
    lines: Type.Integer(),
    postings: Type.Integer(),
    payments: Type.Integer(),
  },
  { $id: 'BillingVerification' },
)

export const billingOperatorSchemas = [CouponTerms, CloseInvoice, NewCreditNote, PostingList, VerificationView]

/** What only the operator does: plans, coupons, invoices out of turn, credit notes, and a look at the whole ledger. */
export function billingOperatorRoutes(
  app: FastifyInstance,
  billing: Billing,
  { organisations }: Pick<Accounts, 'organisations'>,
): void {
  const about = { tags: ['billing'] }
  /** The demo's accounts have to do with money and are no organisations. Throws `not_found` for what is neither. */
  const checkAccount = async (id: string) => {
    if (!(await billing.knows(id))) await organisations.get(id)
  }

  app.put<{ Params: Static<typeof PlanParams>; Body: PlanTerms }>(
    '/billing/plans/:plan',
    {
      config: { permission: 'platform:manage', audit: 'plan.write' },
      schema: {
        ...about,
        operationId: 'writePlan',
        summary: 'A new plan, or a new version of one: who is on an older version stays on it',
        params: PlanParams,
        body: named(PlanTerms),
        response: { 200: json('As it is from now on.', PlanView), ...problems },
      },
    },
    async ({ params, body }) => planView(await billing.writePlan(params.plan, body)),
  )

  app.put<{ Params: Static<typeof CouponParams>; Body: CouponTerms }>(
    '/billing/coupons/:code',
    {
      config: { permission: 'platform:manage', audit: 'coupon.create' },
      schema: {
        ...about,
        operationId: 'createCoupon',
        summary: 'Make a coupon',
        params: CouponParams,
        body: named(CouponTerms),
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ params, body }, reply) => {
      await billing.createCoupon(params.code, body)
      return reply.code(204).send()
    },
  )

  app.post<{ Params: Static<typeof AccountParams>; Body: Static<typeof CloseInvoice>; Headers: KeyHeader }>(
    '/billing/accounts/:account/invoices',
    {
      config: { permission: 'platform:manage', audit: 'invoice.close' },
      schema: {
        ...about,
        operationId: 'closeInvoice',
        summary: 'Invoice an account before its month is over',
        params: AccountParams,
        headers: keyHeader('invoice'),
        body: named(CloseInvoice),
        response: { 200: json('The invoice.', InvoiceView), ...problems },
      },
    },
    async ({ params, body, headers }) => {
      const until = body.until === undefined ? undefined : new Date(body.until)
      await checkAccount(params.account)
      return invoiceView(await billing.invoice(params.account, { key: headers['idempotency-key'], until }))
    },
  )

  app.post<{ Params: Static<typeof InvoiceParams>; Body: Static<typeof NewCreditNote>; Headers: KeyHeader }>(
    '/billing/accounts/:account/invoices/:invoice/credit-notes',
    {
      config: { permission: 'platform:manage', audit: 'invoice.credit' },
      schema: {
        ...about,
        operationId: 'createCreditNote',
        summary: 'Take back some of an invoice',
        params: InvoiceParams,
        headers: keyHeader('credit note'),
        body: named(NewCreditNote),
        response: { 200: json('The credit note.', InvoiceView), ...problems },
      },
    },
    async ({ params, body, headers }) => {
      const input = { key: headers['idempotency-key'], amount: parsePayment(body.amount), memo: body.memo }
      await checkAccount(params.account)
      return invoiceView(await billing.creditNote(params.account, params.invoice, input))
    },
  )

  app.get<{ Querystring: Static<typeof LedgerQuery> }>(
    '/billing/ledger',
    {
      config: { permission: 'platform:manage' },
      schema: {
        ...about,
        operationId: 'listPostings',
        summary: 'The ledger, oldest first: debits above zero, credits below',
        querystring: LedgerQuery,
        response: { 200: json('Postings.', PostingList), ...problems },
      },
    },
    async ({ query: { account, after = 0, limit = 100 } }) => {
      const postings = await billing.ledger({ account, after, limit })
      return {
        postings: postings.map(({ entries, at, ...posting }) => ({
          ...posting,
          at: at.toISOString(),
          entries: entries.map(({ account: name, ...money }) => ({ account: name, amount: moneyView(money) })),
        })),
      }
    },
  )

  app.get(
    '/billing/verification',
    {
      config: { permission: 'platform:manage' },
      schema: {
        ...about,
        operationId: 'verifyBilling',
        summary: 'Compute all invoices and the ledger once more, from the facts, and name every difference',
        response: { 200: json('What was found.', VerificationView), ...problems },
      },
    },
    () => billing.verify(),
  )
}
