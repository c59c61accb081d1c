import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { isPlatformTemplate } from '../../templates/platform-templates.ts'
import { defaultTag, plainNameOf } from '../../templates/template.ts'
import type { Templates } from '../../templates/templates.ts'
import { checkTeam } from './own-team.ts'
import { pageFields, pageOf } from './page-of.ts'
import { Refusal } from './refusal.ts'
import { removeSnapshotById } from './snapshot-names.ts'
import { type BuildDeps, buildRoutes, Name, Tags } from './template-builds.ts'
import { dockerfileRoutes } from './template-dockerfiles.ts'
import { uploadRoutes } from './template-uploads.ts'
import { noBuild, templateView, templateWithBuilds } from './template-view.ts'
import type { SandboxTokens } from './tokens.ts'

interface TemplateDeps extends BuildDeps {
  sandboxes: Sandboxes
  tokens: SandboxTokens
}

const strict = { additionalProperties: false }
const teamField = { teamID: Type.Optional(Type.String({ maxLength: 64 })) }
const TemplatesQuery = Type.Object(teamField, strict)
const TemplatesPageQuery = Type.Object({ ...teamField, ...pageFields }, strict)
const BuildsQuery = Type.Object(pageFields, strict)
const TagTemplate = Type.Object({ target: Name, tags: Tags }, strict)
const UntagTemplate = Type.Object({ name: Name, tags: Tags }, strict)
const UpdateTemplate = Type.Object({ public: Type.Optional(Type.Boolean()) }, strict)
const ByTemplate = Type.Object({ templateID: Type.String({ maxLength: 256 }) })

type ByTemplate = { Params: Static<typeof ByTemplate> }

/** Templates, as E2B's clients build and name them. */
export async function e2bTemplateRoutes(app: FastifyInstance, deps: TemplateDeps): Promise<void> {
  const { templates, sandboxes } = deps
  listRoutes(app, deps)
  buildRoutes(app, deps)
  dockerfileRoutes(app, deps)
  tagRoutes(app, templates)
  await uploadRoutes(app, deps)

  app.get<{ Params: { alias: string } }>(
    '/templates/aliases/:alias',
    { config: { permission: 'templates:read' } },
    async ({ account, params }) => {
      const found = await templates.get(account, params.alias).catch((error) => {
        throw isMissing(error) ? new Refusal(404, `template '${params.alias.slice(0, 256)}' not found`) : error
      })
      return { templateID: found.id, public: isPlatformTemplate(found.name) }
    },
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
    app.patch<ByTemplate & { Body: Static<typeof UpdateTemplate> }>(
      path,
      {
        config: { permission: 'templates:write', audit: 'template.update' },
        schema: { params: ByTemplate, body: UpdateTemplate },
      },
      async ({ account, params, body }) => {
        if (body.public)
          throw new Refusal(400, '"public" is not offered by this server: a template belongs to its account')
        return { names: [(await templates.get(account, params.templateID)).name] }
      },
    )
}

function listRoutes(app: FastifyInstance, { templates, limits }: BuildDeps): void {
  const all = async (account: Account) => {
    const found = await templates.list(account)
    const [builds, uses] = await Promise.all([templates.buildsOf(found), templates.uses.of(account.id)])
    return found.map((template) => ({
      ...template,
      view: templateView(template, {
        builds: builds.filter(({ templateId }) => templateId === template.id),
        ...{ limits, uses },
      }),
    }))
  }

  app.get<{ Querystring: Static<typeof TemplatesQuery> }>(
    '/templates',
    { config: { permission: 'templates:read' }, schema: { querystring: TemplatesQuery } },
    async ({ account, query }) => {
      checkTeam(account, query.teamID)
      return (await all(account)).map(({ view }) => view)
    },
  )

  app.get<{ Querystring: Static<typeof TemplatesPageQuery> }>(
    '/v2/templates',
    { config: { permission: 'templates:read' }, schema: { querystring: TemplatesPageQuery } },
    async ({ account, query }, reply) => {
      checkTeam(account, query.teamID)
      const { page, next } = pageOf(await all(account), ({ createdAt = '', id }) => `${createdAt} ${id}`, query)
      if (next) reply.header('x-next-token', next)
      return page.map(({ view }) => view)
    },
  )

  app.get<ByTemplate & { Querystring: Static<typeof BuildsQuery> }>(
    '/templates/:templateID',
    { config: { permission: 'templates:read' }, schema: { params: ByTemplate, querystring: BuildsQuery } },
    async ({ account, params, query }, reply) => {
      const template = await templates.get(account, params.templateID)
      const builds = await templates.builds(account, template.id)
      const { page, next } = pageOf(builds, ({ createdAt, id }) => `${createdAt.toISOString()} ${id}`, query)
      if (next) reply.header('x-next-token', next)
      return templateWithBuilds(template, { builds: page, limits, uses: await templates.uses.of(account.id) })
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
      if (plainNameOf(params.templateID) === 'base')
        return [{ tag: defaultTag, buildID: noBuild, createdAt: new Date(0).toISOString() }]
      const tags = await templates.tags(account, params.templateID)
      return tags.map(({ tag, build, createdAt }) => ({ tag, buildID: build, createdAt: createdAt.toISOString() }))
    },
  )
}

function isMissing(error: unknown): boolean {
  return error instanceof WarrenError && (error.code === 'not_found' || error.code === 'invalid_request')
}
