import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { AgentName } from '../../agents/agent.ts'
import type { AgentRuns } from '../../agents/runs.ts'
import { WarrenError } from '../../errors.ts'
import { json, Nothing, named, problems } from './schema.ts'

const text = { format: 'plain-text' }

const ExperienceView = Type.Object(
  {
    runId: Type.String({ description: 'The run that it was; perhaps it is forgotten by now.' }),
    agent: Type.String(),
    task: Type.String(text),
    outcome: Type.String({ description: 'Why the run ended.' }),
    plan: Type.Array(Type.String(text)),
    tools: Type.Record(Type.String(), Type.Integer(), { description: 'How often each was called.' }),
    answer: Type.String(text),
    steps: Type.Integer(),
    at: Type.String({ format: 'date-time' }),
    score: Type.Optional(Type.Number({ description: 'How alike its task is to what was asked, at most 1.' })),
  },
  { $id: 'Experience' },
)
const ExperienceList = Type.Object({ experiences: Type.Array(named(ExperienceView)) }, { $id: 'ExperienceList' })
export const experienceSchemas = [ExperienceView, ExperienceList]

const ExperienceQuery = Type.Object({
  like: Type.Optional(
    Type.String({ minLength: 1, maxLength: 4000, description: 'A task: the most similar ones first.', ...text }),
  ),
  agent: Type.Optional(AgentName),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
})
const ExperienceParams = Type.Object({ id: Type.String({ maxLength: 64 }) })

/** /v1/experiences: what the runs of an organisation have come to. */
export function experienceRoutes(app: FastifyInstance, { experiences }: AgentRuns): void {
  app.get<{ Querystring: Static<typeof ExperienceQuery> }>(
    '/experiences',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'listExperiences',
        summary: 'What runs have come to: the newest, or those with a task like a given one',
        tags: ['agents'],
        querystring: ExperienceQuery,
        response: { 200: json('At most as many as asked for.', ExperienceList), ...problems },
      },
    },
    async ({ account, query: { limit = 20, ...query } }) => {
      const found = await experiences.find(account.id, { ...query, limit })
      return {
        experiences: found.map(({ experience: { id, at, text: task, data }, score }) => {
          const { agent, outcome, plan, tools, answer, steps } = data
          const view = { runId: id, agent, task, outcome, plan, tools, answer, steps, at: new Date(at).toISOString() }
          return { ...view, ...(score !== undefined && { score }) }
        }),
      }
    },
  )

  app.delete<{ Params: Static<typeof ExperienceParams> }>(
    '/experiences/:id',
    {
      config: { permission: 'agents:write', audit: 'experience.delete' },
      schema: {
        operationId: 'deleteExperience',
        summary: 'Forget what a run has come to, by the id of the run',
        tags: ['agents'],
        params: ExperienceParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params: { id } }, reply) => {
      if (!(await experiences.forget(account.id, id, Date.now())))
        throw new WarrenError('not_found', `there is no experience of a run ${id}`)
      return reply.code(204).send()
    },
  )
}
