import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { operatorsId } from '../../accounts/organisations.ts'
import type { Billing } from '../../billing/billing.ts'
import { MoneyView, parsePayment } from '../../billing/money.ts'
import { takeBytes } from '../function-request.ts'
import { type KeyHeader, keyHeader, PageQuery, PaymentView, pageOf, paymentView } from './billing-views.ts'
import { json, named, problems } from './schema.ts'

const NewPayment = Type.Object(
  {
    provider: Type.String({
      maxLength: 32,
      description: 'One of the providers that the overview names; wallet for invoices.',
    }),
    invoice: Type.Optional(
      Type.String({ maxLength: 64, description: 'What is paid. Absent: the money goes into the wallet.' }),
    ),
    amount: Type.Optional(named(MoneyView)),
    method: Type.Optional(Type.String({ maxLength: 64, description: 'At the bank: the id of the card.' })),
  },
  { $id: 'NewPayment', additionalProperties: false },
)
const PaymentList = Type.Object({ payments: Type.Array(named(PaymentView)) }, { $id: 'PaymentList' })
const PaymentParams = Type.Object({ payment: Type.String({ maxLength: 64 }) })

export const paymentSchemas = [NewPayment, PaymentList]

/** /v1/billing/payments: of invoices, and into the wallet. */
export function paymentRoutes(app: FastifyInstance, billing: Billing): void {
  const about = { tags: ['billing'] }

  app.post<{ Body: Static<typeof NewPayment>; Headers: KeyHeader }>(
    '/billing/payments',
    {
      config: { permission: 'billing:manage', audit: 'payment.create' },
      schema: {
        ...about,
        operationId: 'createPayment',
        summary: 'Pay an invoice, or into the wallet',
        headers: keyHeader('payment'),
        body: named(NewPayment),
        response: { 200: json('How it is now: what is pending is told of later.', PaymentView), ...problems },
      },
    },
    async ({ account, body, headers }) => {
      const { amount, ...rest } = body
      const input = { ...rest, key: headers['idempotency-key'], amount: amount && parsePayment(amount) }
      return paymentView(await billing.pay(account.id, input))
    },
  )

  app.get<{ Querystring: PageQuery }>(
    '/billing/payments',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'listPayments',
        summary: 'Payments, newest first',
        querystring: PageQuery,
        response: { 200: json('They are.', PaymentList), ...problems },
      },
    },
    async ({ account, query }) => ({
      payments: (await billing.payments(account.id, pageOf(query))).map((payment) => paymentView({ payment })),
    }),
  )

  app.get<{ Params: Static<typeof PaymentParams> }>(
    '/billing/payments/:payment',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'getPayment',
        summary: 'One payment; of one that is not over the provider is asked',
        params: PaymentParams,
        response: { 200: json('The payment.', PaymentView), ...problems },
      },
    },
    async ({ account, params }) => paymentView({ payment: await billing.getPayment(account.id, params.payment) }),
  )
}

const NoticeTaken = Type.Object({ news: Type.Boolean() }, { $id: 'NoticeTaken' })
const ProviderParams = Type.Object({ provider: Type.String({ maxLength: 32 }) })
export const noticeSchemas = [NoticeTaken]

/** /v1/billing/notices: what providers tell. They have no key: their signature is what counts. */
export function noticeRoutes(app: FastifyInstance, billing: Billing): void {
  takeBytes(app, 256 * 1024)
  app.post<{ Params: Static<typeof ProviderParams>; Body: Buffer | undefined }>(
    '/billing/notices/:provider',
    {
      config: { permission: 'anyone', audit: 'payment.notice' },
      schema: {
        tags: ['billing'],
        operationId: 'takeNotice',
        summary: 'Where Stripe and the sandbox bank send their signed notices (webhooks)',
        security: [],
        params: ProviderParams,
        response: { 200: json('Taken in; news says whether it changed anything.', NoticeTaken), ...problems },
      },
    },
    async (request) => {
      const { params, headers, body } = request
      const signature = headers['stripe-signature'] ?? headers['bank-signature']
      const notice = { body: body ?? Buffer.alloc(0), signature: Array.isArray(signature) ? signature[0] : signature }
      const news = await billing.takeNotice(params.provider, notice)
      // Its signature was good. Whose payment it is about the events of that payment say.
      request.auditedAs = { accountId: operatorsId, actorKind: 'provider', actor: params.provider }
      return { news }
    },
  )
}
