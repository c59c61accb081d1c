import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { LogEntry } from '../../engine/guest/client.ts'
import { WarrenError } from '../../errors.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import { streamEvents } from '../sse.ts'
import { event, eventStream, failureEvent, json, named, problems, SandboxParams } from './schema.ts'

const LogEntryView = Type.Object(
  {
    seq: Type.Integer({ description: 'Rises from entry to entry; `after` goes on there.' }),
    at: Type.String({ format: 'date-time' }),
    processId: Type.String(),
    stream: Type.Enum(['stdout', 'stderr', 'pty', 'event']),
    text: Type.String(),
  },
  { $id: 'LogEntry' },
)
const LogEntries = Type.Object({ entries: Type.Array(named(LogEntryView)) }, { $id: 'LogEntries' })
export const LogQuery = Type.Object(
  { after: Type.Optional(Type.Integer({ minimum: 0 })), follow: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)

const LogEvent = Type.Union([event('log', named(LogEntryView), 'Something was written.'), failureEvent], {
  $id: 'LogEvent',
  description: 'One event of a followed log: the name of its `event` line and the JSON of its `data` line.',
})

export const logSchemas = [LogEntryView, LogEntries, LogEvent]

/** /v1/sandboxes/:id/logs: what all processes of a sandbox wrote, as far as it still holds it. */
export function logRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.get<{ Params: Static<typeof SandboxParams>; Querystring: Static<typeof LogQuery> }>(
    '/sandboxes/:id/logs',
    {
      config: { permission: 'sandboxes:read', audit: 'sandbox.read_logs' },
      schema: {
        operationId: 'readLogs',
        summary: 'What the processes wrote; with `follow`, as server-sent events `log`',
        tags: ['sandboxes'],
        params: SandboxParams,
        querystring: LogQuery,
        response: {
          200: {
            description: 'What is still held, oldest first; with `follow`, the same and what comes, as events.',
            content: {
              ...json('', LogEntries).content,
              ...eventStream('', LogEvent).content,
            },
          },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, query } = request
      const { guest } = await sandboxes.running({ account, id: params.id })
      const from = query.after === undefined ? {} : { afterSeq: query.after }
      const gone = clientGone(reply.raw)
      if (!query.follow) {
        const entries = []
        for await (const entry of guest.logs(from, gone)) entries.push(viewOf(entry))
        return { entries }
      }
      return streamEvents(request, reply, async ({ send }, signal) => {
        for await (const entry of guest.logs({ ...from, follow: true }, signal)) await send('log', viewOf(entry))
        throw new WarrenError('unavailable', 'the log ended: the sandbox does not answer any more')
      })
    },
  )
}

function viewOf({ seq, at, processId, stream, data }: LogEntry): Static<typeof LogEntryView> {
  return { seq, at: new Date(at).toISOString(), processId, stream, text: data.toString('utf8') }
}
