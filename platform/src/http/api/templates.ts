import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import {
  type Build,
  type BuildLogEntry,
  type BuildPlan,
  BuildReason,
  buildStates,
  DockerfilePlan,
  type RegistryCredentials,
  Template,
  TemplateStep,
} from '../../templates/template.ts'
import type { Templates } from '../../templates/templates.ts'
import { rawBody } from '../raw-body.ts'
import { json, Nothing, named, problems } from './schema.ts'

const TemplateList = Type.Object({ templates: Type.Array(named(Template)) }, { $id: 'TemplateList' })

const Name = Type.String({ minLength: 1, maxLength: 256 })
const command = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 65_536, description }))

const BuildTemplate = Type.Object(
  {
    name: {
      ...Name,
      description: 'Letters, digits, dashes and underscores; `name:tag` for a tag other than `default`.',
    } as typeof Name,
    tags: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { maxItems: 64 })),
    from: Type.Optional(
      Type.Object(
        { template: Type.Optional(Name), image: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })) },
        {
          additionalProperties: false,
          description: 'What it begins with, one of the two. Default: the template `base`.',
        },
      ),
    ),
    registry: Type.Optional(
      Type.Object(
        {
          username: Type.String({ maxLength: 1024 }),
          password: Type.String({ maxLength: 65_536, description: 'Kept nowhere.' }),
        },
        { additionalProperties: false, description: 'Who fetches the image.' },
      ),
    ),
    steps: Type.Optional(Type.Array(named(TemplateStep), { maxItems: 190 })),
    dockerfile: Type.Optional(named(DockerfilePlan)),
    startCommand: command('Runs in every sandbox of it from the beginning.'),
    readyCommand: command('Succeeds once a sandbox can be used.'),
    startAnew: Type.Optional(
      Type.Boolean({
        description:
          'What is started is never saved with its memory at the build: each sandbox starts it anew, and has keys and seeds of its own in it.',
      }),
    ),
    force: Type.Optional(Type.Boolean({ description: 'Nothing that has been done before is used.' })),
    cpuCores: Type.Optional(Type.Number({ minimum: 0.05, maximum: 1024 })),
    memoryMb: Type.Optional(Type.Integer({ minimum: 16, maximum: 4_194_304 })),
  },
  { $id: 'BuildTemplate', additionalProperties: false },
)

const BuildLog = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    level: Type.Enum(['debug', 'info', 'warn', 'error']),
    step: Type.Optional(Type.String()),
    message: Type.String(),
  },
  { $id: 'BuildLog' },
)
const BuildView = Type.Object(
  {
    id: Type.String(),
    template: Type.String({ description: 'The id of its template.' }),
    state: Type.Enum([...buildStates]),
    tags: Type.Array(Type.String()),
    reason: Type.Optional(named(BuildReason)),
    createdAt: Type.String({ format: 'date-time' }),
    finishedAt: Type.Optional(Type.String({ format: 'date-time' })),
    log: Type.Array(named(BuildLog), {
      description: 'From `logsAfter` on. When it is over and this is empty, all was read.',
    }),
  },
  { $id: 'TemplateBuild' },
)
const Upload = Type.Object({ present: Type.Boolean() }, { $id: 'TemplateUpload' })

export const templateSchemas = [
  Template,
  TemplateList,
  TemplateStep,
  DockerfilePlan,
  BuildReason,
  BuildTemplate,
  BuildLog,
  BuildView,
  Upload,
]

const ByName = Type.Object({ name: Type.String({ maxLength: 256 }) })
const ByBuild = Type.Object({ name: Type.String({ maxLength: 256 }), build: Type.String({ maxLength: 64 }) })
const ByHash = Type.Object({ hash: Type.String({ maxLength: 64 }) })
const LogQuery = Type.Object(
  {
    logsAfter: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: 'How many lines were read before.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  { additionalProperties: false },
)

/** A plan may hold whole scripts. */
const planBytes = 16 * 1024 * 1024
const tags = ['templates']

/** /v1/templates: what sandboxes start from, and how it is built. */
export async function templateRoutes(app: FastifyInstance, templates: Templates): Promise<void> {
  app.get(
    '/templates',
    {
      config: { permission: 'templates:read' },
      schema: {
        operationId: 'listTemplates',
        summary: 'What sandboxes can start from',
        tags,
        response: { 200: json('The templates.', TemplateList), ...problems },
      },
    },
    async ({ account }) => ({ templates: await templates.list(account) }),
  )

  app.post<{ Body: Static<typeof BuildTemplate> }>(
    '/templates',
    {
      config: { permission: 'templates:write', audit: 'template.build' },
      schema: {
        operationId: 'buildTemplate',
        summary: 'Build a template, or build it anew',
        tags,
        body: named(BuildTemplate),
        response: { 202: json('It is being built.', BuildView), ...problems },
      },
      bodyLimit: planBytes,
    },
    async ({ account, body }, reply) => {
      const { name, tags: given = [], cpuCores, memoryMb, registry } = body
      const limits = {
        ...(cpuCores === undefined ? {} : { cpuCores }),
        ...(memoryMb === undefined ? {} : { memoryMb }),
      }
      const plan = planOf(body)
      const { template, build } = await templates.request(account, { name, tags: given, limits })
      const credentials: RegistryCredentials | undefined = registry && { type: 'registry', ...registry }
      reply.code(202)
      return viewOf(await templates.build(account, { template: template.id, build: build.id }, plan, credentials), [])
    },
  )

  app.get<{ Params: Static<typeof ByName> }>(
    '/templates/:name',
    {
      config: { permission: 'templates:read' },
      schema: {
        operationId: 'getTemplate',
        summary: 'A template by its name or id',
        tags,
        params: ByName,
        response: { 200: json('The template.', Template), ...problems },
      },
    },
    ({ account, params }) => templates.get(account, params.name),
  )

  app.delete<{ Params: Static<typeof ByName> }>(
    '/templates/:name',
    {
      config: { permission: 'templates:write', audit: 'template.remove' },
      schema: {
        operationId: 'removeTemplate',
        summary: 'Remove a template; sandboxes that run from it go on',
        tags,
        params: ByName,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await templates.remove(account, params.name)
      return reply.code(204).send()
    },
  )

  app.get<{ Params: Static<typeof ByBuild>; Querystring: Static<typeof LogQuery> }>(
    '/templates/:name/builds/:build',
    {
      config: { permission: 'templates:read' },
      schema: {
        operationId: 'getTemplateBuild',
        summary: 'How a build fares, and what it says',
        tags,
        params: ByBuild,
        querystring: LogQuery,
        response: { 200: json('The build.', BuildView), ...problems },
      },
    },
    async ({ account, params, query }) => {
      const page = { offset: query.logsAfter ?? 0, limit: query.limit ?? 100 }
      const { build, logs } = await templates.buildStatus(account, { template: params.name, build: params.build }, page)
      return viewOf(build, logs)
    },
  )

  app.get<{ Params: Static<typeof ByHash> }>(
    '/templates/uploads/:hash',
    {
      config: { permission: 'templates:write' },
      schema: {
        operationId: 'hasTemplateUpload',
        summary: 'Whether files for a build are here',
        tags,
        params: ByHash,
        response: { 200: json('Whether they are.', Upload), ...problems },
      },
    },
    async ({ account, params }) => ({ present: await templates.hasUpload(account, params.hash) }),
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put<{ Params: Static<typeof ByHash> }>(
      '/templates/uploads/:hash',
      {
        config: { permission: 'templates:write', audit: 'template.upload' },
        schema: {
          operationId: 'uploadForTemplate',
          summary: 'Upload files for a build: a tar archive, compressed or not, named by its SHA-256',
          tags,
          params: ByHash,
          consumes: ['application/octet-stream'],
          response: { 204: Nothing, ...problems },
        },
        bodyLimit: Number.MAX_SAFE_INTEGER,
      },
      async ({ account, params, raw: content }, reply) => {
        await templates.receiveUpload(account.id, params.hash, content)
        return reply.code(204).send()
      },
    )
    done()
  })
}

function planOf({
  from = {},
  steps = [],
  dockerfile,
  startCommand,
  readyCommand,
  startAnew,
  force,
}: Static<typeof BuildTemplate>): BuildPlan {
  const { template, image } = from
  if (template !== undefined && image !== undefined)
    throw new WarrenError('invalid_request', '"from" must have either "template" or "image", and not both')
  if (dockerfile && (template ?? image ?? steps[0]) !== undefined)
    throw new WarrenError('invalid_request', '"dockerfile" stands instead of "from" and "steps"')
  return {
    from: image === undefined ? { template: template ?? 'base' } : { image },
    steps,
    ...(dockerfile ? { dockerfile } : {}),
    ...(startCommand ? { startCommand } : {}),
    ...(readyCommand ? { readyCommand } : {}),
    ...(startAnew ? { startAnew } : {}),
    ...(force ? { force } : {}),
  }
}

function viewOf(build: Build, logs: readonly BuildLogEntry[]): Static<typeof BuildView> {
  const { id, templateId, state, tags: given, reason, createdAt, finishedAt } = build
  return {
    id,
    template: templateId,
    state,
    tags: given,
    ...(reason ? { reason } : {}),
    createdAt: createdAt.toISOString(),
    ...(finishedAt ? { finishedAt: finishedAt.toISOString() } : {}),
    log: logs.map(({ at, level, step, message }) => ({
      at: at.toISOString(),
      level,
      ...(step === undefined ? {} : { step }),
      message,
    })),
  }
}
