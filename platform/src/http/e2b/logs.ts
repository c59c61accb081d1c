import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { ById, known, subjectOf, visible } from './sandboxes.ts'

const mostEntries = 1000
const limit = Type.Optional(Type.Integer({ minimum: 0, maximum: mostEntries }))

const LogsQuery = Type.Object(
  { start: Type.Optional(Type.Integer({ minimum: 0 })), limit },
  { additionalProperties: false },
)
const levels = ['debug', 'info', 'warn', 'error'] as const
const LogsPageQuery = Type.Object(
  {
    cursor: Type.Optional(Type.Integer({ minimum: 0 })),
    limit,
    direction: Type.Optional(Type.Enum(['forward', 'backward'])),
    level: Type.Optional(Type.Enum([...levels])),
    search: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  { additionalProperties: false },
)

interface Line {
  timestamp: string
  message: string
  level: (typeof levels)[number]
  fields: Record<string, string>
}

/** What the processes of a sandbox wrote, from the ring in the sandbox: the oldest falls out. Cursors are Unix milliseconds. */
export function e2bLogRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.get<ById & { Querystring: Static<typeof LogsQuery> }>(
    '/sandboxes/:sandboxID/logs',
    {
      config: { permission: 'sandboxes:read', audit: 'sandbox.read_logs' },
      schema: { params: ById, querystring: LogsQuery },
    },
    async (request) => {
      const { start = 0, limit = mostEntries } = request.query
      const lines = (await linesOf(sandboxes, request))
        .filter(({ timestamp }) => Date.parse(timestamp) >= start)
        .slice(0, limit)
      return { logs: lines.map(({ timestamp, message }) => ({ timestamp, line: message })), logEntries: lines }
    },
  )

  app.get<ById & { Querystring: Static<typeof LogsPageQuery> }>(
    '/v2/sandboxes/:sandboxID/logs',
    {
      config: { permission: 'sandboxes:read', audit: 'sandbox.read_logs' },
      schema: { params: ById, querystring: LogsPageQuery },
    },
    async (request) => {
      const { direction = 'forward', limit = mostEntries, level = 'debug', search = '' } = request.query
      const forward = direction === 'forward'
      const { cursor = forward ? 0 : Number.MAX_SAFE_INTEGER } = request.query
      const lines = (await linesOf(sandboxes, request)).filter((line) => {
        const at = Date.parse(line.timestamp)
        const wanted = levels.indexOf(line.level) >= levels.indexOf(level) && line.message.includes(search)
        return wanted && (forward ? at >= cursor : at <= cursor)
      })
      return { logs: (forward ? lines : lines.reverse()).slice(0, limit) }
    },
  )
}

/** One that is paused tells none, and is not woken for it. */
async function linesOf(sandboxes: Sandboxes, request: FastifyRequest<ById>): Promise<Line[]> {
  const { state } = await visible(sandboxes, request)
  if (state !== 'running') return []
  const { guest } = await known(request, sandboxes.running(subjectOf(request)))
  const lines: Line[] = []
  for await (const { at, processId, stream, data } of guest.logs()) {
    lines.push({
      timestamp: new Date(at).toISOString(),
      message: data.toString(),
      level: stream === 'stderr' ? 'error' : 'info',
      fields: { stream, process: processId },
    })
  }
  return lines
}
