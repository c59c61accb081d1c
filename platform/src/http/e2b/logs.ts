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
  /** What has no end of line yet, by process and stream. */
  const begun = new Map<string, Begun>()
  for await (const { at, processId, stream, data } of guest.logs()) {
    // What is said of a process is a line each; what it says itself comes as it was written.
    const isSaidOf = stream !== 'stdout' && stream !== 'stderr'
    const key = `${processId} ${stream}`
    const before = begun.get(key)
    // A letter of several bytes may come in two pieces: they are put together as bytes.
    const texts = `${before?.bytes ?? ''}${data.toString('latin1')}${isSaidOf ? '\n' : ''}`.split('\n')
    const found = texts.map((bytes, index) => ({
      at: index === 0 && before ? before.at : at,
      processId,
      stream,
      bytes,
    }))
    const rest = found.pop()!
    lines.push(...found.map(lineOf))
    if (rest.bytes === '') begun.delete(key)
    else begun.set(key, rest)
  }
  lines.push(...[...begun.values()].map(lineOf))
  return lines.sort((one, other) => Date.parse(one.timestamp) - Date.parse(other.timestamp))
}

interface Begun {
  at: number
  processId: string
  stream: string
  bytes: string
}

function lineOf({ at, processId, stream, bytes }: Begun): Line {
  return {
    timestamp: new Date(at).toISOString(),
    message: Buffer.from(bytes, 'latin1').toString(),
    level: stream === 'stderr' ? 'error' : 'info',
    fields: { stream, process: processId },
  }
}
