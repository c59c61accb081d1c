import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Functions } from '../../functions/functions.ts'
import { CreateHook, type Hook, hookSchemes } from '../../functions/triggers/hook.ts'
import type { Places } from '../places.ts'
import { type ByFunction, FunctionParams } from './functions.ts'
import { json, Nothing, named, problems } from './schema.ts'

const HookView = Type.Object(
  {
    id: Type.String(),
    url: Type.Optional(
      Type.String({
        description:
          'Where deliveries are posted to. Of the scheme address it is told when the hook is made, and never again.',
      }),
    ),
    scheme: Type.Enum([...hookSchemes]),
    secrets: Type.Array(Type.String(), { description: 'Names of secrets.' }),
    signatureHeader: Type.Optional(Type.String()),
    idHeader: Type.Optional(Type.String()),
    toleranceSeconds: Type.Integer(),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Hook' },
)
const HookList = Type.Object({ hooks: Type.Array(named(HookView)) }, { $id: 'HookList' })
const HookParams = Type.Object({ name: Type.String({ maxLength: 64 }), id: Type.String({ maxLength: 64 }) })

export const hookSchemas = [CreateHook, HookView, HookList]

/** /v1/functions/:name/hooks: addresses at which others call a function. Deliveries come to hook-door.ts. */
export function hookRoutes(app: FastifyInstance, functions: Functions, places: Places): void {
  const path = '/functions/:name/hooks'
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['functions'] })

  app.post<ByFunction & { Body: CreateHook }>(
    path,
    {
      config: { permission: 'functions:write', audit: 'hook.create' },
      schema: {
        ...about('createHook', 'An address at which another service calls a function by its webhooks'),
        description:
          'What is posted to it is answered with 202 once the call lasts; the function gets the request, asynchronously. A delivery that is repeated within three days is one call.',
        params: FunctionParams,
        body: named(CreateHook),
        response: { 201: json('With its address.', HookView), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const { record } = await functions.get(account, params.name)
      const { hook, token } = await functions.hooks.create(record, body)
      reply.code(201)
      return { ...viewOf(hook), url: places.ofHook(hook.id, token) }
    },
  )

  app.get<ByFunction>(
    path,
    {
      config: { permission: 'functions:read' },
      schema: {
        ...about('listHooks', 'The addresses at which others call a function'),
        params: FunctionParams,
        response: { 200: json('All of them.', HookList), ...problems },
      },
    },
    async ({ account, params }) => {
      const { record } = await functions.get(account, params.name)
      return { hooks: (await functions.hooks.list(record)).map(viewOf) }
    },
  )

  app.delete<{ Params: Static<typeof HookParams> }>(
    `${path}/:id`,
    {
      config: { permission: 'functions:write', audit: 'hook.delete' },
      schema: {
        ...about('deleteHook', 'Take nothing more at this address'),
        params: HookParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      const { record } = await functions.get(account, params.name)
      await functions.hooks.remove(record, params.id)
      return reply.code(204).send()
    },
  )

  function viewOf(hook: Hook): Static<typeof HookView> {
    const { id, scheme, secrets, signatureHeader, idHeader, toleranceSeconds, createdAt, tokenHash } = hook
    return {
      ...{ id, scheme, secrets, toleranceSeconds, createdAt: createdAt.toISOString() },
      ...(tokenHash === undefined ? { url: places.ofHook(id) } : {}),
      ...(signatureHeader === undefined ? {} : { signatureHeader }),
      ...(idHeader === undefined ? {} : { idHeader }),
    }
  }
}
