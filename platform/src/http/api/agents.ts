import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { type Agent, AgentName, AgentSpec } from '../../agents/agent.ts'
import type { AgentRuns } from '../../agents/runs.ts'
import { WarrenError } from '../../errors.ts'
import { json, Nothing, named, problems } from './schema.ts'

const AgentParams = Type.Object({ name: AgentName })
type ByName = { Params: Static<typeof AgentParams> }

const AgentView = Type.Object(
  {
    spec: named(AgentSpec),
    builtIn: Type.Boolean({ description: 'It comes with the platform.' }),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Agent' },
)
const AgentList = Type.Object({ agents: Type.Array(named(AgentView)) }, { $id: 'AgentList' })

export const agentSchemas = [AgentSpec, AgentView, AgentList]

/** /v1/agents: what runs are made of. */
export function agentRoutes(app: FastifyInstance, { agents }: AgentRuns): void {
  app.put<ByName & { Body: AgentSpec }>(
    '/agents/:name',
    {
      config: { permission: 'agents:write', audit: 'agent.put' },
      schema: {
        operationId: 'putAgent',
        summary: 'Make an agent, or give one another definition',
        tags: ['agents'],
        params: AgentParams,
        body: named(AgentSpec),
        response: {
          200: json('The agent as it is now. Runs that go on keep what they began with.', AgentView),
          ...problems,
        },
      },
    },
    async ({ account, params, body }) => {
      if (body.name !== params.name)
        throw new WarrenError(
          'invalid_request',
          `the name in the body is "${body.name}", and in the path "${params.name}"`,
        )
      return viewOf(await agents.put(account, body))
    },
  )

  app.get(
    '/agents',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'listAgents',
        summary: 'List agents, those that come with the platform last',
        tags: ['agents'],
        response: { 200: json('All of them.', AgentList), ...problems },
      },
    },
    async ({ account }) => ({ agents: (await agents.list(account)).map(viewOf) }),
  )

  app.get<ByName>(
    '/agents/:name',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'getAgent',
        summary: 'One agent',
        tags: ['agents'],
        params: AgentParams,
        response: { 200: json('The agent.', AgentView), ...problems },
      },
    },
    async ({ account, params }) => viewOf(await agents.get(account, params.name)),
  )

  app.delete<ByName>(
    '/agents/:name',
    {
      config: { permission: 'agents:write', audit: 'agent.delete' },
      schema: {
        operationId: 'deleteAgent',
        summary: 'Delete an agent with its facts and documents; its runs stay',
        tags: ['agents'],
        params: AgentParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await agents.remove(account, params.name)
      return reply.code(204).send()
    },
  )
}

function viewOf({ spec, builtIn, updatedAt }: Agent): Static<typeof AgentView> {
  return { spec, builtIn, updatedAt: updatedAt.toISOString() }
}
