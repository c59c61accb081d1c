import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { most } from '../../functions/function.ts'
import type { Functions } from '../../functions/functions.ts'
import { invocationStates } from '../../functions/invocations/invocations.ts'
import { readCloudEvents } from '../../functions/triggers/cloud-events.ts'
import { clientGone } from '../client-gone.ts'
import { FunctionAnswer } from '../function-answer.ts'
import { takeBytes } from '../function-request.ts'
import { headerOf, idempotencyOf } from '../idempotency.ts'
import { type ByFunction, FunctionParams } from './functions.ts'
import { json, named, problems } from './schema.ts'

const InvokeQuery = Type.Object(
  { version: Type.Optional(Type.String({ maxLength: 64, description: 'A version, an alias, or `latest`.' })) },
  { additionalProperties: false },
)
type WithVersion = { Querystring: Static<typeof InvokeQuery> }

const InvocationView = Type.Object(
  {
    id: Type.String(),
    version: Type.Integer(),
    trigger: Type.String({
      description: 'What called: http, async, cron, queue, storage, event, webhook, destination, function.',
    }),
    state: Type.Enum([...invocationStates], {
      description: 'suspended: it waits for calls that it made, and takes no instance meanwhile.',
    }),
    attempt: Type.Integer({ description: 'How often it was made so far.' }),
    parent: Type.Optional(Type.String({ description: 'The call that made it.' })),
    result: Type.Optional(Type.Unknown({ description: 'What an asynchronous call came to.' })),
    head: Type.Optional(
      Type.Object(
        {
          status: Type.Optional(Type.Integer()),
          headers: Type.Optional(Type.Array(Type.Array(Type.String(), { minItems: 2, maxItems: 2 }))),
        },
        { description: 'What the answer of an asynchronous call began with, where it was more than JSON.' },
      ),
    ),
    error: Type.Optional(
      Type.Object({
        reason: Type.String({ description: 'error, timeout, out_of_memory, exited, bad_json, response_too_large, …' }),
        message: Type.String(),
        type: Type.Optional(Type.String()),
        stack: Type.Optional(Type.String()),
      }),
    ),
    log: Type.String({ description: 'What it wrote, up to 256 KiB.' }),
    cold: Type.Optional(Type.Boolean({ description: 'Whether an instance was started for it.' })),
    billedMs: Type.Optional(Type.Integer()),
    cpuMs: Type.Optional(Type.Integer({ description: 'Processor time, by the count of the kernel.' })),
    createdAt: Type.String({ format: 'date-time' }),
    startedAt: Type.Optional(Type.String({ format: 'date-time' })),
    endedAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { $id: 'Invocation' },
)
const InvocationList = Type.Object({ invocations: Type.Array(named(InvocationView)) }, { $id: 'InvocationList' })
const Accepted = Type.Object(
  {
    id: Type.String(),
    ids: Type.Optional(Type.Array(Type.String(), { description: 'Of a batch of events, one for each.' })),
    repeated: Type.Boolean({ description: 'Whether the call was there already, by its key.' }),
  },
  { $id: 'AcceptedInvocation' },
)
const ListQuery = Type.Object(
  {
    state: Type.Optional(Type.Enum([...invocationStates])),
    search: Type.Optional(Type.String({ maxLength: 200, description: 'Only those whose log has this text.' })),
    endedAfter: Type.Optional(
      Type.String({ maxLength: 40, description: 'Only those that ended after that time, as they ended.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  },
  { additionalProperties: false },
)
const InvocationParams = Type.Object({ name: Type.String({ maxLength: 64 }), id: Type.String({ maxLength: 64 }) })

export const invocationSchemas = [InvocationView, InvocationList, Accepted]

const callDescription =
  'The body is the event, JSON or a CloudEvent (binary, structured, or a batch). With the header `Idempotency-Key` a repeat gets what the first call came to; ' +
  '`Idempotency-Scope` and `Idempotency-Ttl` (seconds) say where and for how long the key holds.'

/** Calls of functions: synchronous, queued, and what became of them. */
export async function invocationRoutes(app: FastifyInstance, functions: Functions): Promise<void> {
  await app.register((calls, _options, done) => {
    takeBytes(calls, 4 * most.payloadBytes)

    calls.post<ByFunction & WithVersion>(
      '/functions/:name/invoke',
      {
        config: { permission: 'functions:invoke', unaudited: 'each call is recorded as an invocation' },
        schema: {
          operationId: 'invokeFunction',
          summary: 'Call a function and wait for its answer',
          description: `${callDescription} With \`Prefer: respond-async\` as POST …/invocations.`,
          tags: ['functions'],
          params: FunctionParams,
          querystring: InvokeQuery,
          response: {
            200: {
              description: 'What the handler returned, or its response.',
              content: { 'application/json': { schema: {} } },
            },
            202: json('With `Prefer: respond-async`: it will be made.', Accepted),
            ...problems,
          },
        },
      },
      async (request, reply) => {
        if (/\brespond-async\b/.test(String(request.headers.prefer ?? ''))) return accept(functions, request, reply)
        const { account, params, query } = request
        const { events, isBatch } = readCloudEvents(request.headers, bodyOf(request))
        if (isBatch)
          throw new WarrenError('invalid_request', 'a batch of events is called asynchronously: POST …/invocations')
        const answer = new FunctionAnswer(reply.raw, reply)
        const invoked = await functions
          .invoke(
            account,
            params.name,
            {
              payload: events[0]!,
              qualifier: query.version,
              traceparent: headerOf(request, 'traceparent'),
              idempotency: idempotencyOf(request),
              onHead: (id, head) => answer.begin(id, head),
              onChunk: (piece) => answer.write(piece),
            },
            clientGone(reply.raw),
          )
          .catch((error) => answer.fail(error))
        if (!invoked || answer.begun) {
          answer.end()
          return reply
        }
        reply.header('x-warren-invocation', invoked.id).header('x-warren-version', invoked.version)
        if (invoked.cold) reply.header('x-warren-cold-start', 'true')
        reply.serializer((body) => body as string)
        return reply.type('application/json').send(invoked.result)
      },
    )

    calls.post<ByFunction & WithVersion>(
      '/functions/:name/invocations',
      {
        config: { permission: 'functions:invoke', unaudited: 'each call is recorded as an invocation' },
        schema: {
          operationId: 'enqueueInvocation',
          summary: 'Call a function asynchronously: the answer is at once, the call is made at least once',
          description: callDescription,
          tags: ['functions'],
          params: FunctionParams,
          querystring: InvokeQuery,
          response: { 202: json('It will be made.', Accepted), ...problems },
        },
      },
      (request, reply) => accept(functions, request, reply),
    )
    done()
  })

  app.get<ByFunction & { Querystring: Static<typeof ListQuery> }>(
    '/functions/:name/invocations',
    {
      config: { permission: 'functions:read' },
      schema: {
        operationId: 'listInvocations',
        summary: 'Calls of a function with their logs, newest first',
        tags: ['functions'],
        params: FunctionParams,
        querystring: ListQuery,
        response: { 200: json('The calls.', InvocationList), ...problems },
      },
    },
    async ({ account, params, query }) => {
      const { state, search, endedAfter, limit = 50 } = query
      const after = endedAfter === undefined ? undefined : new Date(endedAfter)
      if (after && Number.isNaN(after.getTime()))
        throw new WarrenError(
          'invalid_request',
          `endedAfter is a time such as 2026-01-02T03:04:05Z, not "${endedAfter}"`,
        )
      const found = await functions.invocations(account, params.name, { state, search, endedAfter: after, limit })
      return { invocations: found.map(viewOf) }
    },
  )

  app.get<{ Params: Static<typeof InvocationParams> }>(
    '/functions/:name/invocations/:id',
    {
      config: { permission: 'functions:read' },
      schema: {
        operationId: 'getInvocation',
        summary: 'What became of a call',
        tags: ['functions'],
        params: InvocationParams,
        response: { 200: json('The call.', InvocationView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await functions.invocation(account, params.id)),
  )
}

async function accept(
  functions: Functions,
  request: FastifyRequest<ByFunction & WithVersion>,
  reply: FastifyReply,
): Promise<Static<typeof Accepted>> {
  const { account, params, query } = request
  const { events, isBatch } = readCloudEvents(request.headers, bodyOf(request))
  const more = { qualifier: query.version, traceparent: headerOf(request, 'traceparent') }
  const idempotency = idempotencyOf(request)
  if (isBatch && idempotency)
    throw new WarrenError('invalid_request', 'a batch of events has no Idempotency-Key, which would be one for several')
  const taken = await Promise.all(
    events.map((payload) => functions.enqueue(account, params.name, { payload, ...more, idempotency })),
  )
  reply.code(202)
  const [first] = taken
  return { ...first!, ...(isBatch ? { ids: taken.map(({ id }) => id) } : {}) }
}

function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

function viewOf(found: Awaited<ReturnType<Functions['invocation']>>): Static<typeof InvocationView> {
  const {
    id,
    version,
    trigger,
    state,
    attempt,
    parent,
    result,
    head,
    error,
    log,
    cold,
    billedMs,
    cpuMs,
    createdAt,
    startedAt,
    endedAt,
  } = found
  return {
    ...{ id, version, trigger, state, attempt, log },
    ...(parent === undefined ? {} : { parent }),
    ...(result === undefined ? {} : { result: readResult(result) }),
    ...(head === undefined ? {} : { head }),
    ...(error === undefined ? {} : { error: { ...error } as Static<typeof InvocationView>['error'] & object }),
    ...(cold === undefined ? {} : { cold }),
    ...(billedMs === undefined ? {} : { billedMs }),
    ...(cpuMs === undefined ? {} : { cpuMs }),
    createdAt: createdAt.toISOString(),
    ...(startedAt ? { startedAt: startedAt.toISOString() } : {}),
    ...(endedAt ? { endedAt: endedAt.toISOString() } : {}),
  }
}

function readResult(result: Buffer): unknown {
  const text = result.toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
