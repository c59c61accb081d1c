import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Functions } from '../../functions/functions.ts'
import { CreateRoute, type Route, routeMethods } from '../../functions/triggers/route.ts'
import type { Places } from '../places.ts'
import { json, Nothing, named, problems } from './schema.ts'

const RouteView = Type.Object(
  {
    id: Type.String(),
    method: Type.Enum([...routeMethods]),
    path: Type.String(),
    url: Type.String({ description: 'Where it is. Without a key only where the function is public.' }),
    functionId: Type.String(),
    version: Type.Optional(Type.String()),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Route' },
)
const RouteList = Type.Object({ routes: Type.Array(named(RouteView)) }, { $id: 'RouteList' })
const RouteParams = Type.Object({ route: Type.String({ maxLength: 64 }) })

export const routeSchemas = [CreateRoute, RouteView, RouteList]

/** /v1/routes: which requests below the address of an organisation are calls of which function. They come to function-url.ts. */
export function routeRoutes(app: FastifyInstance, functions: Functions, places: Places): void {
  const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['functions'] })

  app.post<{ Body: CreateRoute }>(
    '/routes',
    {
      config: { permission: 'functions:write', audit: 'route.create' },
      schema: {
        ...about('createRoute', 'Let requests of a method and a path be calls of a function'),
        description:
          'Segment by segment from the left a text goes before `{name}` and that before `{name+}`; then a method before `*`. A second one for the same requests is a conflict.',
        body: named(CreateRoute),
        response: { 201: json('From now on they are.', RouteView), ...problems },
      },
    },
    async ({ account, body }, reply) => {
      reply.code(201)
      return viewOf(await functions.routes.create(account, body))
    },
  )

  app.get(
    '/routes',
    {
      config: { permission: 'functions:read' },
      schema: {
        ...about('listRoutes', 'The routes of the organisation, by path'),
        response: { 200: json('All of them.', RouteList), ...problems },
      },
    },
    async ({ account }) => ({ routes: (await functions.routes.list(account)).map(viewOf) }),
  )

  app.delete<{ Params: Static<typeof RouteParams> }>(
    '/routes/:route',
    {
      config: { permission: 'functions:write', audit: 'route.delete' },
      schema: {
        ...about('deleteRoute', 'Let these requests be calls no more'),
        params: RouteParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await functions.routes.remove(account, params.route)
      return reply.code(204).send()
    },
  )

  function viewOf({ id, accountId, method, path, functionId, version, createdAt }: Route): Static<typeof RouteView> {
    return {
      ...{ id, method, path, url: `${places.ofRoutes(accountId)}${path}`, functionId },
      ...(version === undefined ? {} : { version }),
      createdAt: createdAt.toISOString(),
    }
  }
}
