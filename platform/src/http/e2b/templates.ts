import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Config } from '../../config.ts'
import { WarrenError } from '../../errors.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import {
  type BuildLogEntry,
  type BuildPlan,
  defaultTag,
  type RegistryCredentials,
  type Template,
} from '../../templates/template.ts'
import type { Templates } from '../../templates/templates.ts'
import { rawBody } from '../raw-body.ts'
import { Refusal } from './refusal.ts'
import { removeSnapshotById } from './snapshot-names.ts'
import type { SandboxTokens } from './tokens.ts'
import { envdVersion } from './view.ts'

interface TemplateDeps {
  sandboxes: Sandboxes
  templates: Templates
  tokens: SandboxTokens
  limits: Config['defaultLimits']
}

const Name = Type.String({ minLength: 1, maxLength: 256 })
const Tags = Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64 })
const NewTemplate = Type.Object(
  {
    name: Type.Optional(Name),
    /** Of older clients. */
    alias: Type.Optional(Name),
    tags: Type.Optional(Tags),
    cpuCount: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    memoryMB: Type.Optional(Type.Integer({ minimum: 128, maximum: 4_194_304 })),
    minFreeDiskMb: Type.Optional(Type.Integer({ minimum: 0 })),
    teamID: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)
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
    startCmd: Type.Optional(Type.String({ maxLength: 65_536 })),
    readyCmd: Type.Optional(Type.String({ maxLength: 65_536 })),
    force: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const StatusQuery = Type.Object({
  logsOffset: Type.Optional(Type.Integer({ minimum: 0 })),
  limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  level: Type.Optional(Type.Enum(['debug', 'info', 'warn', 'error'])),
})
const TagTemplate = Type.Object({ target: Name, tags: Tags }, { additionalProperties: false })
const UntagTemplate = Type.Object({ name: Name, tags: Tags }, { additionalProperties: false })
const ByTemplate = Type.Object({ templateID: Type.String({ maxLength: 256 }) })
const ByBuild = Type.Object({ templateID: Type.String({ maxLength: 256 }), buildID: Type.String({ maxLength: 64 }) })

type ByTemplate = { Params: Static<typeof ByTemplate> }
type ByBuild = { Params: Static<typeof ByBuild> }

const stepTypes = ['RUN', 'COPY', 'ENV', 'WORKDIR', 'USER'] as const
/** A build's steps may hold whole scripts. */
const buildBytes = 16 * 1024 * 1024
/** How long an address for an upload is good for, milliseconds. */
const uploadMs = 3_600_000

/** Templates, as E2B's clients build and name them. */
export async function e2bTemplateRoutes(app: FastifyInstance, deps: TemplateDeps): Promise<void> {
  const { templates, sandboxes } = deps
  buildRoutes(app, deps)
  tagRoutes(app, templates)
  await uploadRoutes(app, deps)

  app.get<{ Params: { alias: string } }>(
    '/templates/aliases/:alias',
    { config: { permission: 'templates:read' } },
    async ({ account, params }) => {
      const found = await templates.get(account, params.alias).catch((error) => {
        throw isMissing(error) ? new Refusal(404, `template '${params.alias.slice(0, 256)}' not found`) : error
      })
      return { templateID: found.id, public: found.createdAt === undefined }
    },
  )

  for (const path of ['/templates', '/v2/templates'])
    app.get(path, { config: { permission: 'templates:read' } }, async ({ account }) =>
      (await templates.list(account)).map((template) => templateView(template, deps)),
    )

  app.get<ByTemplate>(
    '/templates/:templateID',
    { config: { permission: 'templates:read' }, schema: { params: ByTemplate } },
    async ({ account, params }) => templateView(await templates.get(account, params.templateID), deps),
  )

  app.delete<ByTemplate>(
    '/templates/:templateID',
    { config: { permission: 'templates:write', audit: 'template.remove' }, schema: { params: ByTemplate } },
    async ({ account, params }, reply) => {
      // Snapshots are templates to E2B.
      if (!(await removeSnapshotById(sandboxes, account, params.templateID)))
        await templates.remove(account, params.templateID)
      return reply.code(204).send()
    },
  )

  for (const path of ['/templates/:templateID', '/v2/templates/:templateID'])
    app.patch<ByTemplate & { Body: { public?: boolean } }>(
      path,
      {
        config: { permission: 'templates:write', audit: 'template.update' },
        schema: { params: ByTemplate, body: Type.Object({ public: Type.Optional(Type.Boolean()) }) },
      },
      async ({ account, params, body }) => {
        if (body.public)
          throw new Refusal(400, '"public" is not offered by this server: a template belongs to its account')
        return { names: [(await templates.get(account, params.templateID)).name] }
      },
    )
}

function buildRoutes(app: FastifyInstance, { templates }: TemplateDeps): void {
  app.post<{ Body: Static<typeof NewTemplate> }>(
    '/v3/templates',
    { config: { permission: 'templates:write', audit: 'template.build' }, schema: { body: NewTemplate } },
    async ({ account, body }, reply) => {
      const name = body.name ?? body.alias
      if (name === undefined) throw new Refusal(400, 'a template needs a name')
      const limits = {
        ...(body.cpuCount === undefined ? {} : { cpuCores: body.cpuCount }),
        ...(body.memoryMB === undefined ? {} : { memoryMb: body.memoryMB }),
      }
      const { template, build } = await templates.request(account, { name, tags: body.tags ?? [], limits })
      reply.code(202)
      const names = [template.name]
      return { templateID: template.id, buildID: build.id, public: false, names, aliases: names, tags: build.tags }
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
      const { logsOffset: offset = 0, limit = 100, level } = query
      const { build, logs } = await templates.buildStatus(account, idsOf(params), {
        offset,
        limit,
        level: level ?? 'info',
      })
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

  app.get<ByBuild & { Querystring: { limit?: number; level?: BuildLogEntry['level'] } }>(
    '/templates/:templateID/builds/:buildID/logs',
    { config: { permission: 'templates:read' }, schema: { params: ByBuild } },
    async ({ account, params }) => {
      const { logs } = await templates.buildStatus(account, idsOf(params), { offset: 0, limit: 1000 })
      return { logs: logs.map(logView) }
    },
  )
}

function tagRoutes(app: FastifyInstance, templates: Templates): void {
  app.post<{ Body: Static<typeof TagTemplate> }>(
    '/templates/tags',
    { config: { permission: 'templates:write', audit: 'template.tag' }, schema: { body: TagTemplate } },
    async ({ account, body }, reply) => {
      if (body.tags.length === 0) throw new Refusal(400, 'at least one tag must be given')
      const buildID = await templates.tag(account, body.target, body.tags)
      reply.code(201)
      return { buildID, tags: body.tags }
    },
  )

  app.delete<{ Body: Static<typeof UntagTemplate> }>(
    '/templates/tags',
    { config: { permission: 'templates:write', audit: 'template.untag' }, schema: { body: UntagTemplate } },
    async ({ account, body }, reply) => {
      if (body.tags.length === 0) throw new Refusal(400, 'at least one tag must be given')
      await templates.untag(account, body.name, body.tags)
      return reply.code(204).send()
    },
  )

  app.get<ByTemplate>(
    '/templates/:templateID/tags',
    { config: { permission: 'templates:read' }, schema: { params: ByTemplate } },
    async ({ account, params }) => {
      const tags = await templates.tags(account, params.templateID)
      return tags.map(({ tag, build, createdAt }) => ({ tag, buildID: build, createdAt: createdAt.toISOString() }))
    },
  )
}

/** A file is put to an address that carries the right to do so: no key comes with it. */
async function uploadRoutes(app: FastifyInstance, { templates, tokens }: TemplateDeps): Promise<void> {
  app.get<{ Params: { templateID: string; hash: string } }>(
    '/templates/:templateID/files/:hash',
    { config: { permission: 'templates:write' } },
    async (request, reply) => {
      const { account, params } = request
      if (!/^[0-9a-f]{64}$/.test(params.hash)) throw new Refusal(400, 'files are named by their SHA-256 checksum')
      await templates.get(account, params.templateID)
      const expires = Date.now() + uploadMs
      const signature = tokens.upload(signed({ account: account.id, hash: params.hash, expires }))
      const query = new URLSearchParams({ account: account.id, expires: String(expires), signature })
      reply.code(201)
      return {
        present: await templates.hasUpload(account, params.hash),
        url: `${request.protocol}://${request.host}/templates/uploads/${params.hash}?${query}`,
      }
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put<{ Params: { hash: string }; Querystring: { account?: string; expires?: string; signature?: string } }>(
      '/templates/uploads/:hash',
      { config: { permission: 'anyone', audit: 'template.upload' }, bodyLimit: Number.MAX_SAFE_INTEGER },
      async (request, reply) => {
        const { hash } = request.params
        const { account = '', expires = '', signature } = request.query
        if (!tokens.isUpload(signed({ account, hash, expires: Number(expires) }), signature))
          throw new Refusal(401, 'this address for an upload is not signed by this server')
        if (Number(expires) < Date.now()) throw new Refusal(401, 'this address for an upload is not good any more')
        request.auditedAs = { accountId: account, actorKind: 'signature', actor: hash }
        await templates.receiveUpload(account, hash, request.raw)
        return reply.code(200).send({})
      },
    )
    done()
  })
}

function signed({ account, hash, expires }: { account: string; hash: string; expires: number }): string {
  return JSON.stringify([account, hash, expires])
}

function idsOf({ templateID, buildID }: Static<typeof ByBuild>): { template: string; build: string } {
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

function logView({ at, level, step, message }: BuildLogEntry): object {
  return { timestamp: at.toISOString(), message, level, ...(step === undefined ? {} : { step }) }
}

function templateView(template: Template, { limits }: TemplateDeps): object {
  const { id, name, build, state, createdAt, updatedAt, cpuCores, memoryMb } = template
  const begin = new Date(0).toISOString()
  return {
    templateID: id,
    buildID: build ?? '00000000-0000-0000-0000-000000000000',
    cpuCount: Math.max(1, Math.round(cpuCores ?? limits.cpuCores)),
    memoryMB: memoryMb ?? limits.memoryMb,
    diskSizeMB: limits.diskMb,
    public: createdAt === undefined,
    aliases: [name],
    names: [name],
    tags: template.tags.length > 0 ? template.tags : [defaultTag],
    createdAt: createdAt ?? begin,
    updatedAt: updatedAt ?? begin,
    createdBy: null,
    lastSpawnedAt: null,
    spawnCount: 0,
    buildCount: build ? 1 : 0,
    envdVersion,
    buildStatus: state,
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof WarrenError && (error.code === 'not_found' || error.code === 'invalid_request')
}
