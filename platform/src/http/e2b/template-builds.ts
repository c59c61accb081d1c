import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Account } from '../../accounts/account.ts'
import type { Config } from '../../config.ts'
import {
  type Build,
  type BuildPlan,
  logLevels,
  type RegistryCredentials,
  type RequestedBuild,
  type Template,
} from '../../templates/template.ts'
import type { Templates } from '../../templates/templates.ts'
import { checkTeam } from './own-team.ts'
import { Refusal } from './refusal.ts'
import { logView, templateView } from './template-view.ts'

export interface BuildDeps {
  templates: Templates
  limits: Config['defaultLimits']
}

export const Name = Type.String({ minLength: 1, maxLength: 256 })
export const Tags = Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64 })
export const ShellCommand = Type.String({ maxLength: 65_536 })
/** What sandboxes of a template have, and whose it is. */
export const sizeFields = {
  cpuCount: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
  memoryMB: Type.Optional(Type.Integer({ minimum: 128, maximum: 4_194_304 })),
  teamID: Type.Optional(Type.String({ maxLength: 64 })),
}
const NewTemplate = Type.Object(
  {
    name: Type.Optional(Name),
    /** Of older clients. */
    alias: Type.Optional(Name),
    tags: Type.Optional(Tags),
    minFreeDiskMb: Type.Optional(Type.Integer({ minimum: 0 })),
    ...sizeFields,
  },
  { additionalProperties: false },
)
type NewTemplate = Static<typeof NewTemplate>
const NewTemplateV2 = Type.Object({ alias: Name, ...sizeFields }, { additionalProperties: false })
/** What else clients say of a step was for themselves. */
const Step = Type.Object({
  type: Type.String({ maxLength: 32 }),
  args: Type.Optional(Type.Array(Type.String())),
  force: Type.Optional(Type.Boolean()),
  filesHash: Type.Optional(Type.Unsafe<string | null>({ anyOf: [{ type: 'string' }, { type: 'null' }] })),
})
const StartBuild = Type.Object(
  {
    fromImage: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
    fromTemplate: Type.Optional(Name),
    fromImageRegistry: Type.Optional(Type.Object({ type: Type.Enum(['registry', 'aws', 'gcp']) })),
    steps: Type.Optional(Type.Array(Step, { maxItems: 190 })),
    startCmd: Type.Optional(ShellCommand),
    readyCmd: Type.Optional(ShellCommand),
    force: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const level = Type.Optional(Type.Enum([...logLevels]))
const StatusQuery = Type.Object(
  {
    logsOffset: Type.Optional(Type.Integer({ minimum: 0 })),
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    level,
  },
  { additionalProperties: false },
)
const LogsQuery = Type.Object(
  {
    /** Unix milliseconds. */
    cursor: Type.Optional(Type.Integer({ minimum: 0 })),
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    direction: Type.Optional(Type.Enum(['forward', 'backward'])),
    level,
    /** All that is said is kept in one place, for as long as the build. */
    source: Type.Optional(Type.Enum(['temporary', 'persistent'])),
  },
  { additionalProperties: false },
)
export const ByBuild = Type.Object({
  templateID: Type.String({ maxLength: 256 }),
  buildID: Type.String({ maxLength: 64 }),
})
export type ByBuild = { Params: Static<typeof ByBuild> }

const stepTypes = ['RUN', 'COPY', 'ENV', 'WORKDIR', 'USER'] as const
/** A build's steps may hold whole scripts. */
export const buildBytes = 16 * 1024 * 1024
/** Of one page of a build's log. */
const usualEntries = 100

/** Templates in the making, as E2B's clients of today ask for them. */
export function buildRoutes(app: FastifyInstance, deps: BuildDeps): void {
  const { templates, limits } = deps
  app.post<{ Body: NewTemplate }>(
    '/v3/templates',
    { config: { permission: 'templates:write', audit: 'template.build' }, schema: { body: NewTemplate } },
    async ({ account, body }, reply) => {
      const { name = body.alias, tags = [], minFreeDiskMb = 0 } = body
      if (name === undefined) throw new Refusal(400, 'a template needs a name')
      // Every sandbox has this much to itself, whatever the template holds.
      if (minFreeDiskMb > limits.diskMb)
        throw new Refusal(400, `"minFreeDiskMb" can be at most ${limits.diskMb} here, not ${minFreeDiskMb}`)
      const { template, build } = await requested(templates, account, { name, tags }, body)
      reply.code(202)
      const names = [template.name]
      return { templateID: template.id, buildID: build.id, public: false, names, aliases: names, tags: build.tags }
    },
  )

  app.post<{ Body: Static<typeof NewTemplateV2> }>(
    '/v2/templates',
    { config: { permission: 'templates:write', audit: 'template.build' }, schema: { body: NewTemplateV2 } },
    async ({ account, body }, reply) => {
      reply.code(202)
      return requestedView(deps, account, await requested(templates, account, { name: body.alias, tags: [] }, body))
    },
  )

  app.post<ByBuild & { Body: Static<typeof StartBuild> }>(
    '/v2/templates/:templateID/builds/:buildID',
    {
      config: { permission: 'templates:write', audit: 'template.build' },
      schema: { params: ByBuild, body: StartBuild },
      bodyLimit: buildBytes,
    },
    async ({ account, params, body }, reply) => {
      const credentials = body.fromImageRegistry as RegistryCredentials | undefined
      await templates.build(account, idsOf(params), planOf(body), credentials)
      return reply.code(202).send({})
    },
  )

  app.get<ByBuild & { Querystring: Static<typeof StatusQuery> }>(
    '/templates/:templateID/builds/:buildID/status',
    { config: { permission: 'templates:read' }, schema: { params: ByBuild, querystring: StatusQuery } },
    async ({ account, params, query }) => {
      const { logsOffset: offset = 0, limit = usualEntries, level = 'info' } = query
      const { build, logs } = await templates.buildStatus(account, idsOf(params), { offset, limit, level })
      const failed = build.reason && {
        message: build.reason.message,
        ...(build.reason.step === undefined ? {} : { step: build.reason.step }),
        logEntries: [],
      }
      return {
        templateID: build.templateId,
        buildID: build.id,
        status: build.state,
        logs: [],
        logEntries: logs.map(logView),
        ...(failed ? { reason: failed } : {}),
      }
    },
  )

  app.get<ByBuild & { Querystring: Static<typeof LogsQuery> }>(
    '/templates/:templateID/builds/:buildID/logs',
    { config: { permission: 'templates:read' }, schema: { params: ByBuild, querystring: LogsQuery } },
    async ({ account, params, query }) => {
      const { direction = 'forward', limit = usualEntries, level, cursor } = query
      const logs = await templates.buildLogs(account, idsOf(params), {
        limit,
        first: direction === 'forward' ? 'oldest' : 'newest',
        ...{ level, at: cursor === undefined ? undefined : new Date(cursor) },
      })
      return { logs: logs.map(logView) }
    },
  )
}

/** The answer to a request for a template, which is there already where it was asked for under a name that it has. */
export async function requestedView(
  { templates, limits }: BuildDeps,
  account: Account,
  { template, build }: { template: Template; build: Build },
): Promise<object> {
  const [builds, uses] = await Promise.all([templates.builds(account, template.id), templates.uses.of(account.id)])
  return templateView({ ...template, build: build.id }, { builds, limits, uses })
}

/** A template of this name and size, with a build that waits. */
export function requested(
  templates: Templates,
  account: Account,
  wanted: Omit<RequestedBuild, 'limits'>,
  { cpuCount, memoryMB, teamID }: Pick<NewTemplate, 'cpuCount' | 'memoryMB' | 'teamID'>,
): Promise<{ template: Template; build: Build }> {
  checkTeam(account, teamID)
  const limits = {
    ...(cpuCount === undefined ? {} : { cpuCores: cpuCount }),
    ...(memoryMB === undefined ? {} : { memoryMb: memoryMB }),
  }
  return templates.request(account, { ...wanted, limits })
}

export function idsOf({ templateID, buildID }: Static<typeof ByBuild>): { template: string; build: string } {
  return { template: templateID, build: buildID }
}

function planOf({
  fromImage,
  fromTemplate,
  steps = [],
  startCmd,
  readyCmd,
  force,
}: Static<typeof StartBuild>): BuildPlan {
  if ((fromImage === undefined) === (fromTemplate === undefined))
    throw new Refusal(400, 'a build begins either with an image or with a template: "fromImage" or "fromTemplate"')
  return {
    from: fromImage === undefined ? { template: fromTemplate! } : { image: fromImage },
    steps: steps.map(({ type, args = [], force, filesHash }, index) => {
      const known = stepTypes.find((one) => one === type.toUpperCase())
      if (!known)
        throw new Refusal(400, `step ${index + 1} is of the unknown type "${type}"; ${stepTypes.join(', ')} are known`)
      return { type: known, args, ...(force ? { force } : {}), ...(filesHash ? { filesHash } : {}) }
    }),
    ...(startCmd ? { startCommand: startCmd } : {}),
    ...(readyCmd ? { readyCommand: readyCmd } : {}),
    ...(force ? { force } : {}),
  }
}
