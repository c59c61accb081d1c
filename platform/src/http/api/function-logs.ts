import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Functions } from '../../functions/functions.ts'
import { invocationStates } from '../../functions/invocations/invocations.ts'
import type { Told } from '../../functions/logs/follow-logs.ts'
import { clientGone } from '../client-gone.ts'
import { lastEventId, streamEvents } from '../sse.ts'
import { type ByFunction, FunctionParams } from './functions.ts'
import { event, eventStream, failureEvent, json, named, problems } from './schema.ts'

const id = Type.String({ description: 'Where to go on from, as `after` or Last-Event-ID.' })
const about = { id, at: Type.String({ format: 'date-time' }), invocation: Type.String(), version: Type.Integer() }

const LineView = Type.Object(
  {
    type: Type.Literal('line'),
    ...about,
    offset: Type.Integer({ description: 'Where in the log of its call it begins, characters.' }),
    text: Type.String(),
  },
  { $id: 'FunctionLogLine' },
)
const EndView = Type.Object(
  {
    type: Type.Literal('end'),
    ...about,
    state: Type.Enum([...invocationStates], { description: 'waiting: the attempt failed, and it is made again.' }),
    error: Type.Optional(Type.Object({ reason: Type.String(), message: Type.String() })),
    billedMs: Type.Integer(),
    cold: Type.Boolean(),
  },
  { $id: 'FunctionLogEnd' },
)
const Entries = Type.Object(
  { entries: Type.Array(Type.Union([named(LineView), named(EndView)])) },
  { $id: 'FunctionLogEntries' },
)
const LogEvent = Type.Union(
  [event('line', named(LineView), 'A call wrote it.'), event('end', named(EndView), 'A call ended.'), failureEvent],
  {
    $id: 'FunctionLogEvent',
    description: 'One event of a followed log: the name of its `event` line and the JSON of its `data` line.',
  },
)
const LogQuery = Type.Object(
  {
    after: Type.Optional(
      Type.String({ maxLength: 60, description: 'The id of an entry, or a time. Default: from now on.' }),
    ),
    search: Type.Optional(
      Type.String({ maxLength: 200, description: 'Only lines with this text, and the ends of calls that have one.' }),
    ),
    follow: Type.Optional(Type.Boolean({ description: 'As server-sent events, and with what comes.' })),
  },
  { additionalProperties: false },
)

export const functionLogSchemas = [LineView, EndView, Entries, LogEvent]

/** /v1/functions/:name/logs: what its calls write, as they do. */
export function functionLogRoutes(app: FastifyInstance, functions: Functions): void {
  app.get<ByFunction & { Querystring: Static<typeof LogQuery> }>(
    '/functions/:name/logs',
    {
      config: { permission: 'functions:read' },
      schema: {
        operationId: 'followFunctionLogs',
        summary: 'What a function writes, line by line as it does; with `follow`, as server-sent events',
        description:
          'Behind the entry that `after` or Last-Event-ID names nothing is missed. Where that is not held any more, calls that have ended since come ' +
          'whole, and some of them may have come before: `invocation` and `offset` say which.',
        tags: ['functions'],
        params: FunctionParams,
        querystring: LogQuery,
        response: {
          200: {
            description: 'What came after `after`; with `follow`, the same and what comes, as events.',
            content: { ...json('', Entries).content, ...eventStream('', LogEvent).content },
          },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, query } = request
      const { follow = false, search } = query
      const after = (follow && lastEventId(request)?.slice(0, 60)) || query.after
      const read = await functions.logs(account, params.name, { after, search, follow })
      if (!follow) {
        const entries = []
        for await (const told of read(clientGone(reply.raw))) entries.push(viewOf(told))
        return { entries }
      }
      return streamEvents(request, reply, async ({ send }, signal) => {
        for await (const told of read(signal)) await send(told.type, viewOf(told), told.id)
      })
    },
  )
}

function viewOf({ seq: _, at, ...told }: Told): Static<typeof LineView> | Static<typeof EndView> {
  const time = new Date(at).toISOString()
  if (told.type === 'line') return { ...told, at: time }
  const { error, ...rest } = told
  return { ...rest, at: time, ...(error ? { error: { reason: error.reason, message: error.message } } : {}) }
}
