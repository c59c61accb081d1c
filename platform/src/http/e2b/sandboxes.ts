import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import type { Sandbox } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import {
  checkedTimeout,
  createInput,
  isInterpreter,
  NewSandbox,
  Timeout,
  UpdateNetwork,
  updateInput,
} from './create-input.ts'
import { prepareContexts } from './interpreter/contexts.ts'
import { markedView } from './marks.ts'
import { Refusal } from './refusal.ts'
import { findSnapshot } from './snapshot-names.ts'
import { detailView, pausedStates, runningStates, startedView, type ViewDeps } from './view.ts'

export const ById = Type.Object({ sandboxID: Type.String({ maxLength: 256 }) })
export type ById = { Params: Static<typeof ById> }

/** `memory: false` starts afresh what was paused; what runs is not touched by it. */
const Connect = Type.Object(
  { timeout: Type.Optional(Timeout), memory: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)
const SetTimeout = Type.Object({ timeout: Timeout }, { additionalProperties: false })
const Refresh = Type.Object(
  { duration: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600 })) },
  { additionalProperties: false },
)

/** Seconds, where the caller names none: of the newer clients, of the older ones, of a refresh. */
const defaultTimeout = { v2: 300, v1: 15, refresh: 15 }

/** The life of sandboxes, as E2B's clients ask for it. */
export function e2bSandboxRoutes(
  app: FastifyInstance,
  sandboxes: Sandboxes,
  { view, usual }: { view: ViewDeps; usual: 'allow' | 'deny' },
): void {
  for (const version of ['v1', 'v2'] as const) {
    const prefix = version === 'v2' ? '/v2/sandboxes' : '/sandboxes'

    app.post<{ Body: Static<typeof NewSandbox> }>(
      prefix,
      {
        config: { permission: ['sandboxes:write', 'sandboxes:exec'], audit: 'sandbox.create', places: true },
        schema: { body: NewSandbox },
      },
      async (request, reply) => {
        const { templateID } = request.body
        const snapshot = templateID === 'base' ? undefined : await findSnapshot(sandboxes, request.account, templateID)
        const input = createInput(request.body, {
          ...{ defaultTimeout: defaultTimeout[version], snapshot: snapshot?.id },
          ...{ mayBeOpen: version === 'v1', usual },
        })
        const created = await withGateway(request.body, sandboxes.create(request.account, input, clientGone(reply.raw)))
        const live = isInterpreter(request.body.templateID) && sandboxes.live(created.id)
        if (live) prepareContexts(live)
        reply.code(201)
        return markedView(view, created)
      },
    )

    app.post<ById & { Body: Static<typeof Connect> }>(
      `${prefix}/:sandboxID/connect`,
      {
        config: { permission: ['sandboxes:write', 'sandboxes:exec'], audit: 'sandbox.resume' },
        schema: { params: ById, body: Connect },
        preValidation: emptyBodyIsFine,
      },
      async (request, reply) => {
        const { memory } = request.body
        const timeout = checkedTimeout(request.body.timeout ?? defaultTimeout.v2)
        const wish = { timeout, ...(memory === undefined ? {} : { memory }) }
        const { sandbox, resumed } = await known(request, sandboxes.connect(subjectOf(request), wish))
        reply.code(resumed ? 201 : 200)
        return resumed ? markedView(view, sandbox) : startedView(view, sandbox)
      },
    )
  }

  // The answer carries the token for what is inside.
  app.get<ById>(
    '/sandboxes/:sandboxID',
    // The answer carries the token for what is in it.
    { config: { permission: ['sandboxes:read', 'sandboxes:exec'], audit: 'sandbox.read' }, schema: { params: ById } },
    async (request) => detailView(view, await visible(sandboxes, request)),
  )

  app.delete<ById>(
    '/sandboxes/:sandboxID',
    { config: { permission: 'sandboxes:write', audit: 'sandbox.remove' }, schema: { params: ById } },
    async (request, reply) => {
      await known(request, sandboxes.remove(subjectOf(request)))
      return reply.code(204).send()
    },
  )

  app.post<ById & { Body: Static<typeof SetTimeout> }>(
    '/sandboxes/:sandboxID/timeout',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.set_timeout' },
      schema: { params: ById, body: SetTimeout },
    },
    async (request, reply) => {
      const { timeout } = request.body
      // Its time is over now: the same end as that of a timeout, without waiting for the clock.
      if (timeout === 0) await known(request, sandboxes.expire(subjectOf(request)))
      else await known(request, sandboxes.setTimeout(subjectOf(request), checkedTimeout(timeout)))
      return reply.code(204).send()
    },
  )

  app.put<ById & { Body: Static<typeof UpdateNetwork> }>(
    '/sandboxes/:sandboxID/network',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.set_network' },
      schema: { params: ById, body: UpdateNetwork },
      preValidation: emptyBodyIsFine,
    },
    async (request, reply) => {
      const { network } = await known(request, sandboxes.get(subjectOf(request)))
      await known(
        request,
        sandboxes.setNetwork(subjectOf(request), updateInput(request.body, { identity: network.identity, usual })),
      )
      return reply.code(204).send()
    },
  )

  app.post<ById & { Body: Static<typeof Refresh> }>(
    '/sandboxes/:sandboxID/refreshes',
    {
      config: { permission: 'sandboxes:write', audit: 'sandbox.set_timeout' },
      schema: { params: ById, body: Refresh },
      preValidation: emptyBodyIsFine,
    },
    async (request, reply) => {
      const seconds = request.body.duration || defaultTimeout.refresh
      await known(request, sandboxes.extend(subjectOf(request), seconds))
      return reply.code(204).send()
    },
  )
}

/** A create that asks for an MCP gateway is told what that takes, where there is no such template. */
async function withGateway<T>({ mcp, templateID }: Static<typeof NewSandbox>, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!mcp || !(error instanceof WarrenError) || error.code !== 'not_found') throw error
    const needed = '"mcp" needs a template with the program mcp-gateway in it, which is yours to build'
    // Clients begin so where the gateway itself fails.
    throw new Refusal(404, `Failed to start MCP gateway: template "${templateID}" does not exist: ${needed}`)
  }
}

export function subjectOf(request: FastifyRequest<ById>) {
  return { account: request.account, id: request.params.sandboxID }
}

/** The sandbox that is asked for. One that failed or is being ended is no more, as far as E2B's clients go. */
export async function visible(sandboxes: Sandboxes, request: FastifyRequest<ById>): Promise<Sandbox> {
  const sandbox = await known(request, sandboxes.get(subjectOf(request)))
  if ([...runningStates, ...pausedStates].includes(sandbox.state)) return sandbox
  throw notFound(request.params.sandboxID)
}

/** `work`, whose error for a sandbox that is not there has the words of the contract. */
export async function known<T>({ params }: FastifyRequest<ById>, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { code, details } = error instanceof WarrenError ? error : {}
    if (code === 'not_found' || (code === 'conflict' && details?.state === 'failed')) throw notFound(params.sandboxID)
    throw error
  }
}

export function notFound(id: string): Refusal {
  return new Refusal(404, `Sandbox "${id.slice(0, 64)}" doesn't exist or you don't have access to it`)
}

export async function emptyBodyIsFine(request: FastifyRequest): Promise<void> {
  request.body ??= {}
}
