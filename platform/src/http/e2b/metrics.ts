import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Measurement } from '../../sandboxes/measure.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { Refusal } from './refusal.ts'
import { ById, known, subjectOf, visible } from './sandboxes.ts'

const Range = Type.Object(
  { start: Type.Optional(Type.Number()), end: Type.Optional(Type.Number()) },
  { additionalProperties: false },
)
const Ids = Type.Object({ sandbox_ids: Type.String({ maxLength: 16_384 }) }, { additionalProperties: false })
const mostIds = 100

/** What sandboxes use, sampled while they run. */
export function e2bMetricsRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.get<ById & { Querystring: Static<typeof Range> }>(
    '/sandboxes/:sandboxID/metrics',
    { config: { permission: 'sandboxes:read' }, schema: { params: ById, querystring: Range } },
    async (request) => {
      const { start = 0, end = Number.POSITIVE_INFINITY } = request.query
      await visible(sandboxes, request)
      const samples = await known(request, sandboxes.metricsHistory(subjectOf(request)))
      return samples
        .map(viewOf)
        .filter(({ timestampUnix }) => timestampUnix >= Math.floor(start) && timestampUnix <= end)
    },
  )

  app.get<{ Querystring: Static<typeof Ids> }>(
    '/sandboxes/metrics',
    { config: { permission: 'sandboxes:read' }, schema: { querystring: Ids } },
    async ({ account, query }) => {
      const ids = query.sandbox_ids.split(',').filter(Boolean)
      if (ids.length > mostIds) throw new Refusal(400, `at most ${mostIds} sandboxes can be asked for at once`)
      const found = await Promise.all(
        ids.map(async (id) => {
          const last = (await sandboxes.metricsHistory({ account, id }).catch(() => [])).at(-1)
          return last ? [[id, viewOf(last)] as const] : []
        }),
      )
      return { sandboxes: Object.fromEntries(found.flat()) }
    },
  )
}

function viewOf({ at, ...rest }: Measurement) {
  return { timestamp: at.toISOString(), timestampUnix: Math.floor(at.getTime() / 1000), ...rest }
}
