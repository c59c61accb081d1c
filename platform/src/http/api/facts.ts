import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { AgentName } from '../../agents/agent.ts'
import type { AgentRuns } from '../../agents/runs.ts'
import { json, Nothing, named, problems } from './schema.ts'

const text = { format: 'plain-text' }

const FactView = Type.Object(
  {
    id: Type.String(),
    text: Type.String(text),
    runId: Type.String({ description: 'The run that kept it; perhaps it is forgotten by now.' }),
    at: Type.String({ format: 'date-time' }),
    expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { $id: 'Fact' },
)
const FactList = Type.Object({ facts: Type.Array(named(FactView)) }, { $id: 'FactList' })
export const factSchemas = [FactView, FactList]

const FactQuery = Type.Object({
  like: Type.Optional(
    Type.String({ minLength: 1, maxLength: 500, description: 'Words: those that have most of them first.', ...text }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
})
const FactsParams = Type.Object({ name: AgentName })
const FactParams = Type.Object({ name: AgentName, fact: Type.String({ pattern: '^[0-9a-f]{8}$' }) })

/** /v1/agents/NAME/facts: what an agent has been told to remember. */
export function factRoutes(app: FastifyInstance, runs: AgentRuns): void {
  app.get<{ Params: Static<typeof FactsParams>; Querystring: Static<typeof FactQuery> }>(
    '/agents/:name/facts',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'listFacts',
        summary: 'What an agent remembers and what holds: the newest, or what has words of a question',
        tags: ['agents'],
        params: FactsParams,
        querystring: FactQuery,
        response: { 200: json('At most as many as asked for.', FactList), ...problems },
      },
    },
    async ({ account, params: { name }, query: { limit = 100, ...query } }) => {
      const found = await runs.facts(account, name, { ...query, limit })
      return {
        facts: found.map(({ at, expiresAt, ...fact }) => ({
          ...fact,
          at: at.toISOString(),
          ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
        })),
      }
    },
  )

  app.delete<{ Params: Static<typeof FactParams> }>(
    '/agents/:name/facts/:fact',
    {
      config: { permission: 'agents:write', audit: 'fact.delete' },
      schema: {
        operationId: 'deleteFact',
        summary: 'Have an agent forget a fact',
        tags: ['agents'],
        params: FactParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params: { name, fact } }, reply) => {
      await runs.forgetFact(account, name, fact)
      return reply.code(204).send()
    },
  )
}
