import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { nounsHeardBy } from '../../accounts/event-permissions.ts'
import type { Functions } from '../../functions/functions.ts'
import { CreateEventTrigger, type EventTrigger } from '../../functions/triggers/event-trigger.ts'
import { type ByFunction, FunctionParams } from './functions.ts'
import { json, Nothing, named, problems } from './schema.ts'

const TriggerView = Type.Object(
  {
    id: Type.String(),
    events: Type.Array(Type.String()),
    subject: Type.Optional(Type.String()),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'EventTrigger' },
)
const TriggerList = Type.Object({ triggers: Type.Array(named(TriggerView)) }, { $id: 'EventTriggerList' })
const TriggerParams = Type.Object({ name: Type.String({ maxLength: 64 }), id: Type.String({ maxLength: 64 }) })

export const eventTriggerSchemas = [CreateEventTrigger, TriggerView, TriggerList]

/** /v1/functions/:name/event-triggers: calls when something happens in the organisation. */
export function eventTriggerRoutes(app: FastifyInstance, functions: Functions): void {
  const path = '/functions/:name/event-triggers'
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['functions'] })

  app.post<ByFunction & { Body: CreateEventTrigger }>(
    path,
    {
      // The function gets to see what webhooks get to see.
      config: { permission: ['functions:write', 'webhooks:manage'], audit: 'event_trigger.create' },
      schema: {
        ...about('createEventTrigger', 'Call a function when something happens in the organisation'),
        params: FunctionParams,
        body: named(CreateEventTrigger),
        response: { 201: json('From now on it is called.', TriggerView), ...problems },
      },
    },
    async ({ account, principal, params, body }, reply) => {
      const { record } = await functions.get(account, params.name)
      reply.code(201)
      return viewOf(await functions.eventTriggers.create(record, body, nounsHeardBy(principal)))
    },
  )

  app.get<ByFunction>(
    path,
    {
      config: { permission: 'functions:read' },
      schema: {
        ...about('listEventTriggers', 'For which events a function is called'),
        params: FunctionParams,
        response: { 200: json('All of them.', TriggerList), ...problems },
      },
    },
    async ({ account, params }) => {
      const { record } = await functions.get(account, params.name)
      return { triggers: (await functions.eventTriggers.list(record)).map(viewOf) }
    },
  )

  app.delete<{ Params: Static<typeof TriggerParams> }>(
    `${path}/:id`,
    {
      config: { permission: 'functions:write', audit: 'event_trigger.delete' },
      schema: {
        ...about('deleteEventTrigger', 'Call a function for these events no more'),
        params: TriggerParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      const { record } = await functions.get(account, params.name)
      await functions.eventTriggers.remove(record, params.id)
      return reply.code(204).send()
    },
  )
}

function viewOf({ id, events, subject, createdAt }: EventTrigger): Static<typeof TriggerView> {
  return { id, events, ...(subject === undefined ? {} : { subject }), createdAt: createdAt.toISOString() }
}
