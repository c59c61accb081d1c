import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import {
  DeployFunction,
  type FunctionAlias,
  FunctionSettings,
  type FunctionVersion,
  most,
  runtimes,
  Target,
} from '../../functions/function.ts'
import type { Functions } from '../../functions/functions.ts'
import { clientGone } from '../client-gone.ts'
import type { Places } from '../places.ts'
import { json, Nothing, named, problems } from './schema.ts'

export const FunctionParams = Type.Object({ name: Type.String({ maxLength: 64, description: 'Its name or its id.' }) })
export type ByFunction = { Params: Static<typeof FunctionParams> }

const VersionView = Type.Object(
  {
    version: Type.Integer(),
    runtime: Type.Enum([...runtimes]),
    codeBytes: Type.Integer(),
    codeHash: Type.String({ description: 'Names its code by what is in it.' }),
    settings: named(FunctionSettings),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'FunctionVersion' },
)
const AliasView = Type.Object(
  { name: Type.String(), targets: Type.Array(Target), updatedAt: Type.String({ format: 'date-time' }) },
  { $id: 'FunctionAlias' },
)
const FunctionView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    runtime: Type.Enum([...runtimes]),
    url: Type.String({
      description: 'Requests to it are calls of the function. Without a key only where the function is public.',
    }),
    live: Type.Array(Target, { description: 'Where calls go that name no version.' }),
    latest: Type.Integer({ description: 'The newest version.' }),
    versions: Type.Array(named(VersionView)),
    aliases: Type.Array(named(AliasView)),
    counts: Type.Object(
      {
        invocations: Type.Integer(),
        errors: Type.Integer(),
        timeouts: Type.Integer(),
        coldStarts: Type.Integer(),
        throttles: Type.Integer(),
        totalMs: Type.Number(),
      },
      { description: 'Since the platform was started.' },
    ),
    measured: Type.Optional(
      Type.Object(
        {
          version: Type.Integer(),
          calls: Type.Integer(),
          memoryMb: Type.Object(
            { p95: Type.Integer(), max: Type.Integer() },
            { description: 'What an instance had at most, MiB, by the kernel.' },
          ),
          cpuCores: Type.Object(
            { p95: Type.Number(), max: Type.Number() },
            { description: 'Processor time by the time a call took.' },
          ),
          outOfMemory: Type.Integer({ description: 'Calls that had too little memory.' }),
          suggestion: Type.Optional(
            Type.Object(
              { memoryMb: Type.Integer(), cpuCores: Type.Number() },
              { description: 'What would do, never below what was used and a quarter more. From 20 calls on.' },
            ),
          ),
        },
        { description: 'Of the version that most calls go to, since the platform was started.' },
      ),
    ),
    instances: Type.Integer({ description: 'That are there now, frozen ones too.' }),
    createdAt: Type.String({ format: 'date-time' }),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Function' },
)
const FunctionList = Type.Object({ functions: Type.Array(named(FunctionView)) }, { $id: 'FunctionList' })
const SetTargets = Type.Object(
  { targets: Type.Array(Target, { maxItems: 10, description: 'Weights that come to 100.' }) },
  { $id: 'SetTargets', additionalProperties: false },
)
const Rollback = Type.Object(
  {
    version: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Default: the one before that which most calls go to.' }),
    ),
  },
  { $id: 'RollbackFunction', additionalProperties: false },
)
const AliasParams = Type.Object({ name: Type.String({ maxLength: 64 }), alias: Type.String({ maxLength: 64 }) })
type ByAlias = { Params: Static<typeof AliasParams> }

export const functionSchemas = [
  FunctionSettings,
  DeployFunction,
  VersionView,
  AliasView,
  FunctionView,
  FunctionList,
  SetTargets,
  Rollback,
]

/** /v1/functions: code that runs when something calls it. Calls are in invocations.ts. */
export function functionRoutes(app: FastifyInstance, functions: Functions, places: Places): void {
  const viewOf = functionView(functions, places)

  app.put<ByFunction & { Body: DeployFunction }>(
    '/functions/:name',
    {
      // In base64 it is longer.
      bodyLimit: Math.ceil(most.codeBytes * 1.4),
      config: { permission: 'functions:write', audit: 'function.deploy' },
      schema: {
        operationId: 'deployFunction',
        summary: 'Deploy a new version of a function, or the function with its first one',
        description: 'The code is loaded once in a sandbox; what cannot be loaded is refused and nothing changes.',
        tags: ['functions'],
        params: FunctionParams,
        body: named(DeployFunction),
        response: { 200: json('The function as it is now.', FunctionView), ...problems },
      },
    },
    async ({ account, params: { name }, body }, reply) => {
      await functions.deploy(account, { ...body, name }, clientGone(reply.raw))
      return viewOf(await functions.get(account, name))
    },
  )

  app.get(
    '/functions',
    {
      config: { permission: 'functions:read' },
      schema: {
        operationId: 'listFunctions',
        summary: 'List functions, by name',
        tags: ['functions'],
        response: { 200: json('All of them.', FunctionList), ...problems },
      },
    },
    async ({ account }) => ({ functions: (await functions.list(account)).map(viewOf) }),
  )

  app.get<ByFunction>(
    '/functions/:name',
    {
      config: { permission: 'functions:read' },
      schema: {
        operationId: 'getFunction',
        summary: 'One function with its versions and aliases',
        tags: ['functions'],
        params: FunctionParams,
        response: { 200: json('The function.', FunctionView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await functions.get(account, params.name)),
  )

  app.delete<ByFunction>(
    '/functions/:name',
    {
      config: { permission: 'functions:write', audit: 'function.delete' },
      schema: {
        operationId: 'deleteFunction',
        summary: 'Delete a function with all its versions',
        tags: ['functions'],
        params: FunctionParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await functions.remove(account, params.name)
      return reply.code(204).send()
    },
  )

  app.put<ByFunction & { Body: Static<typeof SetTargets> }>(
    '/functions/:name/live',
    {
      config: { permission: 'functions:write', audit: 'function.set_live' },
      schema: {
        operationId: 'setFunctionLive',
        summary: 'Say which versions calls go to that name none, and split them by weight',
        tags: ['functions'],
        params: FunctionParams,
        body: named(SetTargets),
        response: { 200: json('The function as it is now.', FunctionView), ...problems },
      },
    },
    async ({ account, params, body }) => viewOf(await functions.setLive(account, params.name, body.targets)),
  )

  app.post<ByFunction & { Body: Static<typeof Rollback> }>(
    '/functions/:name/rollback',
    {
      config: { permission: 'functions:write', audit: 'function.rollback' },
      schema: {
        operationId: 'rollbackFunction',
        summary: 'Let all calls go to an earlier version again',
        tags: ['functions'],
        params: FunctionParams,
        body: named(Rollback),
        response: { 200: json('The function as it is now.', FunctionView), ...problems },
      },
    },
    async ({ account, params, body }) => viewOf(await functions.rollback(account, params.name, body.version)),
  )

  app.put<ByAlias & { Body: Static<typeof SetTargets> }>(
    '/functions/:name/aliases/:alias',
    {
      config: { permission: 'functions:write', audit: 'function.set_alias' },
      schema: {
        operationId: 'setFunctionAlias',
        summary: 'Name one version, or several with weights',
        tags: ['functions'],
        params: AliasParams,
        body: named(SetTargets),
        response: { 200: json('The function as it is now.', FunctionView), ...problems },
      },
    },
    async ({ account, params, body }) =>
      viewOf(await functions.setAlias(account, params.name, params.alias, body.targets)),
  )

  app.delete<ByAlias>(
    '/functions/:name/aliases/:alias',
    {
      config: { permission: 'functions:write', audit: 'function.delete_alias' },
      schema: {
        operationId: 'deleteFunctionAlias',
        summary: 'Forget an alias',
        tags: ['functions'],
        params: AliasParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await functions.removeAlias(account, params.name, params.alias)
      return reply.code(204).send()
    },
  )
}

function functionView(functions: Functions, places: Places) {
  return ({ record, versions, aliases }: Awaited<ReturnType<Functions['get']>>): Static<typeof FunctionView> => {
    const version = record.live.toSorted((a, b) => b.weight - a.weight)[0]?.version ?? record.lastVersion
    const { suggestion, ...measured } = functions.measured(record.id, version) ?? {}
    const { invocations, errors, timeouts, coldStarts, throttles, totalMs } = functions.counts(record.id)
    return {
      id: record.id,
      name: record.name,
      runtime: versions.get(record.lastVersion)!.runtime,
      url: places.ofFunction(record.id),
      live: record.live,
      latest: record.lastVersion,
      versions: [...versions.values()].map(versionView),
      aliases: [...aliases.values()].map(aliasView),
      ...('calls' in measured ? { measured: { version, ...measured, ...(suggestion ? { suggestion } : {}) } } : {}),
      instances: functions.instances(record.id),
      counts: { invocations, errors, timeouts, coldStarts, throttles, totalMs: Math.round(totalMs * 1000) / 1000 },
      createdAt: record.createdAt.toISOString(),
      updatedAt: record.updatedAt.toISOString(),
    }
  }
}

function versionView({
  version,
  runtime,
  code,
  codeBytes,
  settings,
  createdAt,
}: FunctionVersion): Static<typeof VersionView> {
  return { version, runtime, codeBytes, codeHash: code, settings, createdAt: createdAt.toISOString() }
}

function aliasView({ name, targets, updatedAt }: FunctionAlias): Static<typeof AliasView> {
  return { name, targets, updatedAt: updatedAt.toISOString() }
}
