import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import type { Sandbox } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Templates } from '../../templates/templates.ts'
import { Refusal } from './refusal.ts'
import { listedView, pausedStates, runningStates, templateIdsOf, type ViewDeps } from './view.ts'

const ListQuery = Type.Object(
  {
    metadata: Type.Optional(Type.String({ maxLength: 16_384 })),
    state: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Array(Type.String({ maxLength: 64 }))])),
    order: Type.Optional(Type.Enum(['asc', 'desc'])),
    startedAfter: Type.Optional(Type.String({ maxLength: 64 })),
    template: Type.Optional(Type.String({ maxLength: 256 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    nextToken: Type.Optional(Type.String({ maxLength: 512 })),
  },
  { additionalProperties: false },
)
type ListQuery = Static<typeof ListQuery>

const pageLength = 100

/** The lists of sandboxes: of the newer clients by pages, of the older ones all that run. */
export function e2bListRoutes(
  app: FastifyInstance,
  { sandboxes, templates, view }: { sandboxes: Sandboxes; templates: Templates; view: ViewDeps },
): void {
  const views = async (found: readonly Sandbox[]) => {
    const templateIdOf = await templateIdsOf(view, found)
    return found.map((sandbox) => listedView(sandbox, templateIdOf(sandbox)))
  }

  app.get<{ Querystring: ListQuery }>(
    '/v2/sandboxes',
    { config: { permission: 'sandboxes:read' }, schema: { querystring: ListQuery } },
    async ({ account, query }, reply) => {
      const states = statesOf(query.state)
      const made = query.template === undefined ? {} : { template: await nameOf(templates, account, query.template) }
      const filter = { ...filterOf(query), ...made, state: states.flatMap((state) => statesBehind[state]) }
      if (states.includes('running'))
        reply.header('x-total-running', await sandboxes.count(account, { ...filter, state: runningStates }))
      const order = query.order ?? 'desc'
      const { sandboxes: found, nextCursor } = await sandboxes.list(account, {
        ...filter,
        first: order === 'desc' ? 'newest' : 'oldest',
        limit: query.limit ?? pageLength,
        ...(query.nextToken ? { cursor: cursorOf(query.nextToken, order) } : {}),
      })
      if (nextCursor) reply.header('x-next-token', Buffer.from(`${order} ${nextCursor}`).toString('base64url'))
      return views(found)
    },
  )

  app.get<{ Querystring: Pick<ListQuery, 'metadata'> }>(
    '/sandboxes',
    {
      config: { permission: 'sandboxes:read' },
      schema: { querystring: Type.Pick(ListQuery, ['metadata'], { additionalProperties: false }) },
    },
    async ({ account, query }) => views(await all(sandboxes, account, filterOf(query))),
  )
}

export async function all(
  sandboxes: Sandboxes,
  account: Account,
  filter: ReturnType<typeof filterOf>,
): Promise<Sandbox[]> {
  const found: Sandbox[] = []
  let cursor: string | undefined
  do {
    const page = await sandboxes.list(account, { ...filter, limit: 1000, ...(cursor ? { cursor } : {}) })
    found.push(...page.sandboxes)
    cursor = page.nextCursor
  } while (cursor)
  return found
}

export function filterOf({ metadata, startedAfter }: ListQuery) {
  const createdFrom = startedAfter === undefined ? undefined : new Date(startedAfter)
  if (createdFrom && Number.isNaN(createdFrom.getTime()))
    throw new Refusal(400, `the query parameter "startedAfter" must be a time such as 2026-01-31T12:00:00Z`)
  return {
    state: runningStates,
    metadata: metadataOf(metadata ?? ''),
    ...(createdFrom ? { createdFrom } : {}),
  }
}

/** The name of the template that is meant by its name or id; of none there is, what no sandbox was made of. */
async function nameOf(templates: Templates, account: Account, reference: string): Promise<string> {
  if (reference.includes(':')) throw new Refusal(400, 'the query parameter "template" must be without a tag')
  const plain = reference.replace(/^[^/]*\//, '')
  const found = await templates.get(account, reference).catch((error) => {
    if (error instanceof WarrenError && (error.code === 'not_found' || error.code === 'invalid_request'))
      return undefined
    throw error
  })
  return found?.name ?? plain
}

/** `a=b&c=d`, where names and values are percent-encoded once more than the query itself and the whole of it another time. */
function metadataOf(text: string): Record<string, string> {
  if (text === '') return {}
  try {
    const pairs = decodeURIComponent(text)
      .split('&')
      .map((pair) => {
        const at = pair.indexOf('=')
        if (at < 0) throw new URIError('no value')
        return [decodeURIComponent(pair.slice(0, at)), decodeURIComponent(pair.slice(at + 1))]
      })
    return Object.fromEntries(pairs)
  } catch {
    throw new Refusal(
      400,
      'the query parameter "metadata" must be percent-encoded pairs name=value with & between them',
    )
  }
}

const statesBehind = { running: runningStates, paused: pausedStates }

function statesOf(state: string | string[] | undefined): (keyof typeof statesBehind)[] {
  const states = [state ?? 'running,paused'].flat().flatMap((part) => part.split(','))
  const unknown = states.find((name) => !Object.hasOwn(statesBehind, name))
  if (unknown !== undefined)
    throw new Refusal(400, `the query parameter "state" must be running, paused or both, not "${unknown.slice(0, 64)}"`)
  return states as (keyof typeof statesBehind)[]
}

function cursorOf(token: string, order: string): string {
  const [inOrder, cursor] = Buffer.from(token, 'base64url').toString('latin1').split(' ', 2)
  if (inOrder !== order || !cursor || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw new Refusal(400, 'Invalid next token')
  return cursor
}
