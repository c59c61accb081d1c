import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { UsageAmounts, UsageQuery, type UsageReader, UsageReport } from '../../metering/usage.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { TopSandbox } from '../../sandboxes/top.ts'
import { json, named, problems } from './schema.ts'

const TopList = Type.Object({ sandboxes: Type.Array(named(TopSandbox)) }, { $id: 'TopList' })

export const usageSchemas = [UsageAmounts, UsageReport, TopSandbox, TopList]

/** /v1/usage and /v1/top: what was used, and what is being used. */
export function usageRoutes(app: FastifyInstance, readUsage: UsageReader, sandboxes: Sandboxes): void {
  app.get<{ Querystring: UsageQuery }>(
    '/usage',
    {
      config: { permission: 'usage:read' },
      schema: {
        operationId: 'readUsage',
        summary: 'What was used, put together from the facts of use',
        tags: ['usage'],
        querystring: UsageQuery,
        response: { 200: json('Sums.', UsageReport), ...problems },
      },
    },
    async ({ account, query }) => readUsage(account, query),
  )

  app.get(
    '/top',
    {
      config: { permission: 'sandboxes:read' },
      schema: {
        operationId: 'listTop',
        summary: 'The running sandboxes with what each uses now, the busiest first',
        tags: ['usage'],
        response: { 200: json('As they were measured last.', TopList), ...problems },
      },
    },
    async ({ account }) => ({ sandboxes: await sandboxes.top(account) }),
  )
}
