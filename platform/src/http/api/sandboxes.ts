import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { SandboxMetrics } from '../../sandboxes/metrics.ts'
import { networkSchemas, SandboxNetwork, SetNetwork } from '../../sandboxes/network.ts'
import { SandboxPosture } from '../../sandboxes/posture.ts'
import {
  CloneSandbox,
  CreateSandbox,
  ForkSandbox,
  PauseSandbox,
  ResumeSandbox,
  type Sandbox,
  SandboxView,
  SetTimeout,
  states,
} from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import type { Places } from '../places.ts'
import { sandboxView } from '../sandbox-view.ts'
import { lastingAnswer } from '../serialization.ts'
import { json, Nothing, named, problems, SandboxParams } from './schema.ts'

type ById = { Params: Static<typeof SandboxParams> }

const ListQuery = Type.Object(
  {
    state: Type.Optional(Type.Enum([...states])),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    cursor: Type.Optional(Type.String({ maxLength: 256, description: '`nextCursor` of the page before.' })),
  },
  {
    // Beside `additionalProperties`, so that the refusal of another name says that labels can be asked for.
    propertyNames: { pattern: '^(state|limit|cursor|metadata\\..+)$' },
    patternProperties: {
      '^metadata\\..+$': {
        type: 'string',
        title: 'metadata',
        description:
          'Any number of `metadata.<name>=<value>`, such as `metadata.team=blue`: keeps the sandboxes that carry all of these labels.',
      },
    },
    additionalProperties: false,
  },
)
type ListQuery = Static<typeof ListQuery> & Record<string, unknown>

const SandboxList = Type.Object(
  { sandboxes: Type.Array(named(SandboxView)), nextCursor: Type.Optional(Type.String()) },
  { $id: 'SandboxList' },
)

const Copies = Type.Object({ sandboxes: Type.Array(named(SandboxView)) }, { $id: 'SandboxCopies' })

export const sandboxSchemas = [
  ...networkSchemas,
  ...[CreateSandbox, SetTimeout, PauseSandbox, ResumeSandbox, ForkSandbox, CloneSandbox],
  ...[SandboxView, SandboxList, Copies, SandboxMetrics, SandboxPosture],
]

/** /v1/sandboxes: their life. */
export function sandboxRoutes(app: FastifyInstance, sandboxes: Sandboxes, places: Places): void {
  const view = (sandbox: Sandbox) => sandboxView(sandbox, places)
  const shown = new WeakMap<Sandbox, Static<typeof SandboxView>>()
  /** Of what was read (see sandbox-reads.ts): as long as a record has not changed it is the same object. */
  const lastingView = (sandbox: Sandbox) => {
    const known = shown.get(sandbox)
    if (known) return known
    const made = lastingAnswer(view(sandbox))
    shown.set(sandbox, made)
    return made
  }

  app.post<{ Body: CreateSandbox }>(
    '/sandboxes',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.create', places: true },
      schema: {
        operationId: 'createSandbox',
        summary: 'Start a sandbox',
        tags: ['sandboxes'],
        body: named(CreateSandbox),
        response: { 201: json('It runs.', SandboxView), ...problems },
      },
      // No body at all asks for a sandbox like any.
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async (request, reply) => {
      reply.code(201)
      return view(await sandboxes.create(request.account, request.body, clientGone(reply.raw)))
    },
  )

  app.get<{ Querystring: ListQuery }>(
    '/sandboxes',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'listSandboxes',
        summary: 'List sandboxes, newest first',
        tags: ['sandboxes'],
        querystring: ListQuery,
        response: {
          200: json('A page of the list. With `nextCursor` there is another one.', SandboxList),
          ...problems,
        },
      },
    },
    async ({ account, query }) => {
      const { state, limit, cursor, ...labels } = query
      const metadata = metadataOf(labels)
      const page = await sandboxes.list(account, {
        metadata,
        ...(state ? { state } : {}),
        ...(limit ? { limit } : {}),
        ...(cursor ? { cursor } : {}),
      })
      return { sandboxes: page.sandboxes.map(lastingView), nextCursor: page.nextCursor }
    },
  )

  app.get<ById>(
    '/sandboxes/:id',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'getSandbox',
        summary: 'Get one sandbox',
        tags: ['sandboxes'],
        params: SandboxParams,
        response: { 200: json('The sandbox.', SandboxView), ...problems },
      },
    },
    async ({ account, params }) => lastingView(await sandboxes.get({ account, id: params.id })),
  )

  app.delete<ById>(
    '/sandboxes/:id',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.remove' },
      schema: {
        operationId: 'removeSandbox',
        summary: 'Stop a sandbox; nothing of it is left afterwards',
        tags: ['sandboxes'],
        params: SandboxParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await sandboxes.remove({ account, id: params.id })
      return reply.code(204).send()
    },
  )

  app.post<ById & { Body: Static<typeof SetTimeout> }>(
    '/sandboxes/:id/timeout',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.set_timeout' },
      schema: {
        operationId: 'setSandboxTimeout',
        summary: 'Let a sandbox live this many seconds from now',
        tags: ['sandboxes'],
        params: SandboxParams,
        body: named(SetTimeout),
        response: { 200: json('The sandbox, with its new `expiresAt`.', SandboxView), ...problems },
      },
    },
    async ({ account, params, body }) => view(await sandboxes.setTimeout({ account, id: params.id }, body.timeout)),
  )

  const standStill = { params: SandboxParams, tags: ['sandboxes'] }
  const emptyBodyIsFine = {
    preValidation: async (request: { body?: unknown }) => {
      request.body ??= {}
    },
  }

  app.post<ById & { Body: PauseSandbox }>(
    '/sandboxes/:id/pause',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.pause' },
      schema: {
        operationId: 'pauseSandbox',
        summary: 'Let a sandbox stand still; `memory` says whether what ran is on the disk or still in memory',
        ...standStill,
        body: named(PauseSandbox),
        response: { 200: json('It stands still.', SandboxView), ...problems },
      },
      ...emptyBodyIsFine,
    },
    async ({ account, params, body }) => view(await sandboxes.pause({ account, id: params.id }, body)),
  )

  app.post<ById & { Body: ResumeSandbox }>(
    '/sandboxes/:id/resume',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.resume' },
      schema: {
        operationId: 'resumeSandbox',
        summary: 'Let a paused sandbox go on where it stood still',
        ...standStill,
        body: named(ResumeSandbox),
        response: { 200: json('It runs. One that ran already is answered as it is.', SandboxView), ...problems },
      },
      ...emptyBodyIsFine,
    },
    async ({ account, params, body }) => view(await sandboxes.resume({ account, id: params.id }, body)),
  )

  app.post<ById & { Body: ForkSandbox }>(
    '/sandboxes/:id/fork',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.fork' },
      schema: {
        operationId: 'forkSandbox',
        summary: 'Live copies of a running sandbox, which all go on from the same moment; so does the sandbox itself',
        ...standStill,
        body: named(ForkSandbox),
        response: { 201: json('The copies run.', Copies), ...problems },
      },
      ...emptyBodyIsFine,
    },
    async ({ account, params, body }, reply) => {
      const copies = await sandboxes.fork({ account, id: params.id }, body, clientGone(reply.raw))
      reply.code(201)
      return { sandboxes: copies.map(view) }
    },
  )

  app.post<ById & { Body: CloneSandbox }>(
    '/sandboxes/:id/clone',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.clone' },
      schema: {
        operationId: 'cloneSandbox',
        summary: 'One live copy of a running sandbox: a fork of one',
        ...standStill,
        body: named(CloneSandbox),
        response: { 201: json('The copy runs.', SandboxView), ...problems },
      },
      ...emptyBodyIsFine,
    },
    async ({ account, params, body }, reply) => {
      const [copy] = await sandboxes.fork({ account, id: params.id }, { ...body, count: 1 }, clientGone(reply.raw))
      if (!copy) throw new WarrenError('conflict', 'the copy was deleted while it started')
      reply.code(201)
      return view(copy)
    },
  )

  app.get<ById>(
    '/sandboxes/:id/network',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'getSandboxNetwork',
        summary: 'What a sandbox may reach, and what it did',
        tags: ['sandboxes'],
        params: SandboxParams,
        response: { 200: json('The policy, the counters and the log.', SandboxNetwork), ...problems },
      },
    },
    ({ account, params }) => sandboxes.network({ account, id: params.id }),
  )

  app.put<ById & { Body: SetNetwork }>(
    '/sandboxes/:id/network',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.set_network' },
      schema: {
        operationId: 'setSandboxNetwork',
        summary: 'Change what a sandbox may reach; what is not allowed any more is cut at once',
        tags: ['sandboxes'],
        params: SandboxParams,
        body: named(SetNetwork),
        response: { 200: json('As it is now.', SandboxNetwork), ...problems },
      },
    },
    ({ account, params, body }) => sandboxes.setNetwork({ account, id: params.id }, body),
  )

  app.get<ById>(
    '/sandboxes/:id/metrics',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'getSandboxMetrics',
        summary: 'What a sandbox uses now',
        tags: ['sandboxes'],
        params: SandboxParams,
        response: {
          200: json('What it uses. A figure that is absent cannot be measured on this host.', SandboxMetrics),
          ...problems,
        },
      },
    },
    ({ account, params }) => sandboxes.metrics({ account, id: params.id }),
  )

  app.get<ById>(
    '/sandboxes/:id/posture',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'getSandboxPosture',
        summary: 'How a sandbox is kept from its host, measured from outside and from inside',
        tags: ['sandboxes'],
        params: SandboxParams,
        response: { 200: json('What was measured, check by check.', SandboxPosture), ...problems },
      },
    },
    ({ account, params }, reply) => sandboxes.posture({ account, id: params.id }, clientGone(reply.raw)),
  )
}

/** `metadata.KEY=value` of a query. A key given twice is a list, which no label equals. */
function metadataOf(labels: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name.slice('metadata.'.length), String(value)]),
  )
}
