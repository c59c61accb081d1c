import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import {
  CreateWebhook,
  DeliveryView,
  deliveryStates,
  ReplayWebhook,
  RotateWebhook,
  type Webhook,
  WebhookView,
} from '../../webhooks/webhook.ts'
import type { Webhooks } from '../../webhooks/webhooks.ts'
import { json, Nothing, named, problems } from './schema.ts'

const WebhookParams = Type.Object({ webhook: Type.String({ maxLength: 64 }) })
type ByWebhook = { Params: Static<typeof WebhookParams> }
const WebhookList = Type.Object({ webhooks: Type.Array(named(WebhookView)) }, { $id: 'WebhookList' })
const DeliveryList = Type.Object({ deliveries: Type.Array(named(DeliveryView)) }, { $id: 'WebhookDeliveryList' })
const DeliveryQuery = Type.Object(
  {
    state: Type.Optional(Type.Enum([...deliveryStates])),
    before: Type.Optional(Type.String({ maxLength: 64, description: 'Id of the last one of the page before.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  { additionalProperties: false },
)
const Replayed = Type.Object(
  { replayed: Type.Integer({ description: 'How many are sent again.' }) },
  { $id: 'WebhookReplayed' },
)
const Tested = Type.Object({ delivery: Type.String({ description: 'Id of the delivery.' }) }, { $id: 'WebhookTested' })

export const webhookSchemas = [
  ...[CreateWebhook, RotateWebhook, ReplayWebhook, WebhookView],
  ...[DeliveryView, WebhookList, DeliveryList, Replayed, Tested],
]

/** /v1/webhooks: addresses that are told of events. */
export function webhookRoutes(app: FastifyInstance, webhooks: Webhooks): void {
  const emptyBodyIsFine = {
    preValidation: async (request: { body?: unknown }) => {
      request.body ??= {}
    },
  }

  app.post<{ Body: CreateWebhook }>(
    '/webhooks',
    {
      config: { permission: 'webhooks:manage', audit: 'webhook.create' },
      schema: {
        operationId: 'createWebhook',
        summary: 'Be told of events at an address',
        description:
          'Of those that its maker may see, now and when they happen: each kind takes the permission to see the thing.',
        tags: ['webhooks'],
        body: named(CreateWebhook),
        response: { 201: json('It is told of what happens from now on.', WebhookView), ...problems },
      },
    },
    async ({ account, principal, body }, reply) => {
      const { webhook, secret } = await webhooks.create(account, principal, body)
      reply.code(201)
      return { ...viewOf(webhook), secret }
    },
  )

  app.get(
    '/webhooks',
    {
      config: { permission: 'webhooks:manage' },
      schema: {
        operationId: 'listWebhooks',
        summary: 'List webhooks, oldest first',
        tags: ['webhooks'],
        response: { 200: json('All of them.', WebhookList), ...problems },
      },
    },
    async ({ account }) => ({ webhooks: (await webhooks.list(account)).map(viewOf) }),
  )

  app.get<ByWebhook>(
    '/webhooks/:webhook',
    {
      config: { permission: 'webhooks:manage' },
      schema: {
        operationId: 'getWebhook',
        summary: 'One webhook',
        tags: ['webhooks'],
        params: WebhookParams,
        response: { 200: json('The webhook.', WebhookView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await webhooks.get(account, params.webhook)),
  )

  app.delete<ByWebhook>(
    '/webhooks/:webhook',
    {
      config: { permission: 'webhooks:manage', audit: 'webhook.delete' },
      schema: {
        operationId: 'deleteWebhook',
        summary: 'Delete a webhook with all that was to be sent to it',
        tags: ['webhooks'],
        params: WebhookParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await webhooks.remove(account, params.webhook)
      return reply.code(204).send()
    },
  )

  app.post<ByWebhook & { Body: RotateWebhook }>(
    '/webhooks/:webhook/rotate',
    {
      ...emptyBodyIsFine,
      config: { permission: 'webhooks:manage', audit: 'webhook.rotate' },
      schema: {
        operationId: 'rotateWebhook',
        summary: 'Give it a new secret; for a while the old one signs too',
        tags: ['webhooks'],
        params: WebhookParams,
        body: named(RotateWebhook),
        response: { 200: json('With its new secret.', WebhookView), ...problems },
      },
    },
    async ({ account, params, body }) => {
      const { webhook, secret } = await webhooks.rotate(account, params.webhook, body)
      return { ...viewOf(webhook), secret }
    },
  )

  app.get<ByWebhook & { Querystring: Static<typeof DeliveryQuery> }>(
    '/webhooks/:webhook/deliveries',
    {
      config: { permission: 'webhooks:manage' },
      schema: {
        operationId: 'listWebhookDeliveries',
        summary: 'What was sent to it and what became of each attempt, newest first',
        tags: ['webhooks'],
        params: WebhookParams,
        querystring: DeliveryQuery,
        response: { 200: json('The deliveries.', DeliveryList), ...problems },
      },
    },
    async ({ account, params, query }) => ({
      deliveries: await webhooks.deliveries(account, params.webhook, query),
    }),
  )

  app.post<ByWebhook & { Body: ReplayWebhook }>(
    '/webhooks/:webhook/replay',
    {
      ...emptyBodyIsFine,
      config: { permission: 'webhooks:manage', audit: 'webhook.replay' },
      schema: {
        operationId: 'replayWebhook',
        summary: 'Send again what was given up, or one delivery, or all since a time',
        tags: ['webhooks'],
        params: WebhookParams,
        body: named(ReplayWebhook),
        response: { 200: json('It begins now.', Replayed), ...problems },
      },
    },
    async ({ account, params, body }) => ({ replayed: await webhooks.replay(account, params.webhook, body) }),
  )

  app.post<ByWebhook>(
    '/webhooks/:webhook/test',
    {
      config: { permission: 'webhooks:manage', audit: 'webhook.test' },
      schema: {
        operationId: 'testWebhook',
        summary: 'Send it an event webhook.test, which tells of nothing',
        tags: ['webhooks'],
        params: WebhookParams,
        response: { 200: json('It is sent as any other.', Tested), ...problems },
      },
    },
    async ({ account, params }) => ({ delivery: await webhooks.test(account, params.webhook) }),
  )
}

function viewOf({ id, url, events, state, createdAt }: Webhook): Static<typeof WebhookView> {
  return { id, url, events, state, createdAt: createdAt.toISOString() }
}
