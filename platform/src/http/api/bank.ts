import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Billing } from '../../billing/billing.ts'
import { json, named, problems } from './schema.ts'

const NewCard = Type.Object(
  {
    number: Type.String({ pattern: '^[0-9]{12,19}$', description: 'Of a test card, such as 4242424242424242.' }),
    currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  },
  { $id: 'NewCard', additionalProperties: false },
)
const ConfirmCard = Type.Object(
  { code: Type.String({ pattern: '^[0-9]{6}$' }) },
  { $id: 'ConfirmCard', additionalProperties: false },
)
const CardView = Type.Object(
  {
    id: Type.String(),
    last4: Type.String(),
    currency: Type.String(),
    state: Type.Enum(['unconfirmed', 'bound', 'refused']),
    code: Type.Optional(Type.String({ description: 'What a bank would send to a phone. This one only plays.' })),
  },
  { $id: 'Card' },
)
const CardList = Type.Object({ cards: Type.Array(named(CardView)) }, { $id: 'CardList' })
const CardParams = Type.Object({ card: Type.String({ maxLength: 64 }) })
const DemoView = Type.Object(
  {
    steps: Type.Array(Type.Object({ step: Type.String(), what: Type.String(), amount: Type.Optional(Type.String()) })),
  },
  { $id: 'BillingDemo' },
)

export const bankSchemas = [NewCard, ConfirmCard, CardView, CardList, DemoView]

/** /v1/billing/cards: of the sandbox bank; and the walk through everything that it does. */
export function bankRoutes(app: FastifyInstance, billing: Billing): void {
  const about = { tags: ['billing'] }

  app.post<{ Body: Static<typeof NewCard> }>(
    '/billing/cards',
    {
      config: { permission: 'billing:manage', audit: 'card.bind' },
      schema: {
        ...about,
        operationId: 'bindCard',
        summary: 'Begin to bind a card of the sandbox bank',
        body: named(NewCard),
        response: { 200: json('To be confirmed with its code.', CardView), ...problems },
      },
    },
    async ({ account, body }) => {
      const { card, code } = await billing.bindCard(account.id, body)
      return { ...card, code }
    },
  )

  app.get(
    '/billing/cards',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'listCards',
        summary: 'Cards, newest first',
        response: { 200: json('They are.', CardList), ...problems },
      },
    },
    async ({ account }) => ({ cards: await billing.cards(account.id) }),
  )

  app.post<{ Params: Static<typeof CardParams>; Body: Static<typeof ConfirmCard> }>(
    '/billing/cards/:card/confirm',
    {
      config: { permission: 'billing:manage', audit: 'card.confirm' },
      schema: {
        ...about,
        operationId: 'confirmCard',
        summary: 'Confirm a card with its one-time code',
        params: CardParams,
        body: named(ConfirmCard),
        response: { 200: json('It is bound.', CardView), ...problems },
      },
    },
    ({ account, params, body }) => billing.confirmCard(account.id, { id: params.card, code: body.code }),
  )

  app.post(
    '/billing/demo',
    {
      config: { permission: 'platform:manage', audit: 'billing.demo' },
      schema: {
        ...about,
        operationId: 'billingDemo',
        summary: 'Walk a payment across borders with an organisation and a bank that only play',
        response: { 200: json('What was done, step by step.', DemoView), ...problems },
      },
    },
    async () => ({ steps: await billing.demo() }),
  )
}
