import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Instance } from '../../engine/engine.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { type Measurement, measure } from './measure.ts'
import { Refusal } from './refusal.ts'
import { ById, known, running, subjectOf } from './sandboxes.ts'

const Range = Type.Object(
  { start: Type.Optional(Type.Number()), end: Type.Optional(Type.Number()) },
  { additionalProperties: false },
)
const Ids = Type.Object({ sandbox_ids: Type.String({ maxLength: 16_384 }) }, { additionalProperties: false })
const mostIds = 100

/** What was measured before, as far as somebody asked. */
const history = new WeakMap<Instance, Measurement[]>()
const longestHistory = 720

export function e2bMetricsRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.get<ById & { Querystring: Static<typeof Range> }>(
    '/sandboxes/:sandboxID/metrics',
    { schema: { params: ById, querystring: Range } },
    async (request) => {
      const { start = 0, end = Number.POSITIVE_INFINITY } = request.query
      await running(sandboxes, request)
      const instance = await known(request, sandboxes.running(subjectOf(request)))
      const measured = await measuredNow(instance)
      return measured
        .map(viewOf)
        .filter(({ timestampUnix }) => timestampUnix >= Math.floor(start) && timestampUnix <= end)
    },
  )

  app.get<{ Querystring: Static<typeof Ids> }>(
    '/sandboxes/metrics',
    { schema: { querystring: Ids } },
    async ({ account, query }) => {
      const ids = query.sandbox_ids.split(',').filter(Boolean)
      if (ids.length > mostIds) throw new Refusal(400, `at most ${mostIds} sandboxes can be asked for at once`)
      const measured = await Promise.all(
        ids.map(async (id) => {
          const instance = await sandboxes.running({ account, id }).catch(() => undefined)
          const last = instance && (await measuredNow(instance)).at(-1)
          return last ? [[id, viewOf(last)] as const] : []
        }),
      )
      return { sandboxes: Object.fromEntries(measured.flat()) }
    },
  )
}

async function measuredNow(instance: Instance): Promise<Measurement[]> {
  const measured = [...(history.get(instance) ?? []), await measure(instance)].slice(-longestHistory)
  history.set(instance, measured)
  return measured
}

function viewOf({ at, ...rest }: Measurement) {
  return { timestamp: at.toISOString(), timestampUnix: Math.floor(at.getTime() / 1000), ...rest }
}
