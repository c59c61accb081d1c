import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Functions } from '../../functions/functions.ts'
import { PutQueue, type Queue, SendMessages } from '../../functions/triggers/queue.ts'
import { json, Nothing, named, problems } from './schema.ts'

const QueueParams = Type.Object({ queue: Type.String({ maxLength: 64 }) })
type ByQueue = { Params: Static<typeof QueueParams> }

const QueueView = Type.Object(
  {
    name: Type.String(),
    visibilitySeconds: Type.Integer(),
    maxReceives: Type.Integer(),
    deadLetterQueue: Type.Optional(Type.String()),
    functionId: Type.Optional(Type.String()),
    batch: Type.Integer(),
    waiting: Type.Integer({ description: 'Messages that are not received.' }),
    inFlight: Type.Integer({ description: 'Messages that are received and not deleted.' }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Queue' },
)
const QueueList = Type.Object({ queues: Type.Array(named(QueueView)) }, { $id: 'QueueList' })
const Sent = Type.Object({ ids: Type.Array(Type.String()) }, { $id: 'SentMessages' })
const Receive = Type.Object(
  { most: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Default 10.' })) },
  { $id: 'ReceiveMessages', additionalProperties: false },
)
const MessageView = Type.Object(
  {
    id: Type.String(),
    body: Type.Unknown(),
    group: Type.Optional(Type.String()),
    receives: Type.Integer(),
    receipt: Type.String({ description: 'Shown to delete it.' }),
    enqueuedAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'QueueMessage' },
)
const Received = Type.Object({ messages: Type.Array(named(MessageView)) }, { $id: 'ReceivedMessages' })
const DeleteMessages = Type.Object(
  {
    messages: Type.Array(
      Type.Object({ id: Type.String({ pattern: '^[0-9]{1,18}$' }), receipt: Type.String({ maxLength: 64 }) }),
      {
        minItems: 1,
        maxItems: 1000,
      },
    ),
  },
  { $id: 'DeleteMessages', additionalProperties: false },
)
const Deleted = Type.Object(
  { deleted: Type.Integer({ description: 'How many were still held by these receipts.' }) },
  { $id: 'DeletedMessages' },
)

export const queueSchemas = [
  PutQueue,
  SendMessages,
  QueueView,
  QueueList,
  Sent,
  Receive,
  MessageView,
  Received,
  DeleteMessages,
  Deleted,
]

/** /v1/queues: messages that wait until they are received and deleted, by callers or by a function. */
export function queueRoutes(app: FastifyInstance, { queues }: Functions): void {
  const viewOf = async (queue: Queue): Promise<Static<typeof QueueView>> => {
    const { name, visibilitySeconds, maxReceives, deadLetterQueue, functionId, batch, createdAt } = queue
    return {
      ...{
        name,
        visibilitySeconds,
        maxReceives,
        batch,
        ...(await queues.depth(queue)),
        createdAt: createdAt.toISOString(),
      },
      ...(deadLetterQueue === undefined ? {} : { deadLetterQueue }),
      ...(functionId === undefined ? {} : { functionId }),
    }
  }
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['queues'] })

  app.put<ByQueue & { Body: PutQueue }>(
    '/queues/:queue',
    {
      config: { permission: 'functions:write', audit: 'queue.put' },
      schema: {
        ...about('putQueue', 'Make a queue, or change one'),
        params: QueueParams,
        body: named(PutQueue),
        response: { 200: json('The queue as it is now.', QueueView), ...problems },
      },
    },
    async ({ account, params, body }) => viewOf(await queues.put(account, params.queue, body)),
  )

  app.get(
    '/queues',
    {
      config: { permission: 'functions:read' },
      schema: {
        ...about('listQueues', 'List queues, by name'),
        response: { 200: json('All of them.', QueueList), ...problems },
      },
    },
    async ({ account }) => ({ queues: await Promise.all((await queues.list(account)).map(viewOf)) }),
  )

  app.get<ByQueue>(
    '/queues/:queue',
    {
      config: { permission: 'functions:read' },
      schema: {
        ...about('getQueue', 'One queue'),
        params: QueueParams,
        response: { 200: json('The queue.', QueueView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await queues.get(account.id, params.queue)),
  )

  app.delete<ByQueue>(
    '/queues/:queue',
    {
      config: { permission: 'functions:write', audit: 'queue.delete' },
      schema: {
        ...about('deleteQueue', 'Delete a queue with its messages'),
        params: QueueParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await queues.remove(account, params.queue)
      return reply.code(204).send()
    },
  )

  app.post<ByQueue & { Body: SendMessages }>(
    '/queues/:queue/messages',
    {
      config: { permission: 'functions:invoke', audit: 'queue.send' },
      schema: {
        ...about('sendMessages', 'Put messages in a queue'),
        params: QueueParams,
        body: named(SendMessages),
        response: { 201: json('They last.', Sent), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      reply.code(201)
      return { ids: await queues.send(account, params.queue, body) }
    },
  )

  app.post<ByQueue & { Body: Static<typeof Receive> }>(
    '/queues/:queue/receive',
    {
      config: { permission: 'functions:invoke', audit: 'queue.receive' },
      schema: {
        ...about(
          'receiveMessages',
          'Take the next messages, hidden from others until they are deleted or their time is over',
        ),
        params: QueueParams,
        body: named(Receive),
        response: { 200: json('As many as there are, perhaps none.', Received), ...problems },
      },
    },
    async ({ account, params, body }) => {
      const messages = await queues.receive(await queues.get(account.id, params.queue), { most: body.most ?? 10 })
      return {
        messages: messages.map(({ group, enqueuedAt, ...message }) => ({
          ...message,
          ...(group === undefined ? {} : { group }),
          enqueuedAt: enqueuedAt.toISOString(),
        })),
      }
    },
  )

  app.post<ByQueue & { Body: Static<typeof DeleteMessages> }>(
    '/queues/:queue/delete',
    {
      config: { permission: 'functions:invoke', audit: 'queue.delete_messages' },
      schema: {
        ...about('deleteMessages', 'Delete messages that were dealt with'),
        params: QueueParams,
        body: named(DeleteMessages),
        response: { 200: json('Done.', Deleted), ...problems },
      },
    },
    async ({ account, params, body }) => ({
      deleted: await queues.delete(await queues.get(account.id, params.queue), body.messages),
    }),
  )
}
