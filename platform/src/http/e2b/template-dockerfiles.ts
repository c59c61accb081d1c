import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { newId } from '../../lib/id.ts'
import { parseDockerfile } from '../../templates/dockerfile/parse.ts'
import type { BuildPlan, RequestedBuild } from '../../templates/template.ts'
import { Refusal } from './refusal.ts'
import { emptyBodyIsFine } from './sandboxes.ts'
import {
  type BuildDeps,
  ByBuild,
  buildBytes,
  idsOf,
  Name,
  requested,
  requestedView,
  ShellCommand,
  sizeFields,
} from './template-builds.ts'

const ByTemplate = Type.Object({ templateID: Type.String({ maxLength: 256 }) })
const DockerfileBuild = Type.Object(
  {
    dockerfile: Type.String({ minLength: 1, maxLength: 1_048_576 }),
    alias: Type.Optional(Name),
    startCmd: Type.Optional(ShellCommand),
    readyCmd: Type.Optional(ShellCommand),
    ...sizeFields,
  },
  { additionalProperties: false },
)
type DockerfileBuild = Static<typeof DockerfileBuild>
const NoBody = Type.Object({}, { additionalProperties: false })

/**
 * Templates as clients of the first generation ask for them: a Dockerfile, whose build begins with a second request. Between
 * the two they push an image that they have built themselves; here the Dockerfile is built, and nothing is pushed.
 */
export function dockerfileRoutes(app: FastifyInstance, deps: BuildDeps): void {
  const { templates } = deps
  const config = { permission: 'templates:write', audit: 'template.build' } as const

  app.post<{ Body: DockerfileBuild }>(
    '/templates',
    { config, schema: { body: DockerfileBuild }, bodyLimit: buildBytes },
    async ({ account, body }, reply) => {
      const wanted = { name: body.alias ?? newId('t'), ...planned(body) }
      reply.code(202)
      return requestedView(deps, account, await requested(templates, account, wanted, body))
    },
  )

  app.post<{ Params: Static<typeof ByTemplate>; Body: DockerfileBuild }>(
    '/templates/:templateID',
    { config, schema: { params: ByTemplate, body: DockerfileBuild }, bodyLimit: buildBytes },
    async ({ account, params, body }, reply) => {
      const { name } = await templates.get(account, params.templateID)
      if (body.alias !== undefined && body.alias.toLowerCase() !== name)
        throw new Refusal(400, `"alias" cannot be changed: this template is named "${name}"`)
      reply.code(202)
      return requestedView(deps, account, await requested(templates, account, { name, ...planned(body) }, body))
    },
  )

  app.post<ByBuild>(
    '/templates/:templateID/builds/:buildID',
    { config, schema: { params: ByBuild, body: NoBody }, preValidation: emptyBodyIsFine },
    async ({ account, params }, reply) => {
      await templates.build(account, idsOf(params))
      return reply.code(202).send()
    },
  )
}

/** Throws 400 for a Dockerfile that is none, and for one that takes files which never come here. */
function planned({ dockerfile: text, startCmd, readyCmd }: DockerfileBuild): Omit<RequestedBuild, 'name' | 'limits'> {
  const copied = parseDockerfile(text)
    .stages.flatMap(({ instructions }) => instructions)
    .find((instruction) => instruction.kind === 'COPY' && instruction.from === undefined)
  if (copied)
    throw new Refusal(
      400,
      `"dockerfile" copies files in line ${copied.line}, which do not come with it: build it with a client that has POST /v3/templates, or with warren template build`,
    )
  const plan: BuildPlan = {
    from: { template: 'base' },
    steps: [],
    dockerfile: { text },
    ...(startCmd ? { startCommand: startCmd } : {}),
    ...(readyCmd ? { readyCommand: readyCmd } : {}),
  }
  return { tags: [], plan }
}
