import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Account } from '../../accounts/account.ts'
import type { Concurrency } from '../../sandboxes/concurrency.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { credentialsOf } from '../credentials.ts'
import { checkTeam } from './own-team.ts'
import { Refusal } from './refusal.ts'

const ByTeam = Type.Object({ teamID: Type.String({ maxLength: 64 }) })
const Range = { start: Type.Optional(Type.Number()), end: Type.Optional(Type.Number()) }
const RangeQuery = Type.Object(Range, { additionalProperties: false })
const MaxQuery = Type.Object(
  { ...Range, metric: Type.Enum(['concurrent_sandboxes', 'sandbox_start_rate']) },
  { additionalProperties: false },
)
type ByTeam = { Params: Static<typeof ByTeam> }

/** How far back is looked when no beginning is said, milliseconds. */
const usualRangeMs = 3_600_000
const longestRangeMs = 31 * 86_400_000

/** The one team there is: the account of the caller. */
export function e2bTeamRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.get('/teams', { config: { permission: 'self' } }, async ({ account, headers }) => [
    // The key is the one that the caller has shown: no other is known in clear.
    { teamID: account.id, name: account.name, apiKey: credentialsOf(headers).key ?? '', isDefault: true },
  ])

  app.get<ByTeam & { Querystring: Static<typeof RangeQuery> }>(
    '/teams/:teamID/metrics',
    { config: { permission: 'sandboxes:read' }, schema: { params: ByTeam, querystring: RangeQuery } },
    async (request) =>
      (await sandboxes.concurrency(teamOf(request), rangeOf(request.query))).map((point) => ({
        ...stamp(point),
        concurrentSandboxes: point.running,
        sandboxStartRate: point.startsPerSecond,
      })),
  )

  app.get<ByTeam & { Querystring: Static<typeof MaxQuery> }>(
    '/teams/:teamID/metrics/max',
    { config: { permission: 'sandboxes:read' }, schema: { params: ByTeam, querystring: MaxQuery } },
    async (request) => {
      const value = ({ running, startsPerSecond }: Concurrency) =>
        request.query.metric === 'concurrent_sandboxes' ? running : startsPerSecond
      const range = rangeOf(request.query)
      const points = await sandboxes.concurrency(teamOf(request), range)
      const none: Concurrency = { at: range.to, running: 0, startsPerSecond: 0 }
      const most = points.reduce((before, point) => (value(point) > value(before) ? point : before), points[0] ?? none)
      return { ...stamp(most), value: value(most) }
    },
  )
}

function teamOf({ account, params }: FastifyRequest<ByTeam>): Account {
  checkTeam(account, params.teamID)
  return account
}

/** Unix seconds. */
function rangeOf({ start, end }: Static<typeof RangeQuery>): { from: Date; to: Date } {
  const to = new Date(end === undefined ? Date.now() : end * 1000)
  const from = new Date(start === undefined ? to.getTime() - usualRangeMs : start * 1000)
  if (Number.isNaN(to.getTime()) || Number.isNaN(from.getTime()) || from > to)
    throw new Refusal(400, '"start" and "end" must be times in Unix seconds, in this order')
  if (to.getTime() - from.getTime() > longestRangeMs) throw new Refusal(400, 'at most 31 days can be asked for at once')
  return { from, to }
}

function stamp({ at }: Concurrency): { timestamp: string; timestampUnix: number } {
  return { timestamp: at.toISOString(), timestampUnix: Math.floor(at.getTime() / 1000) }
}
