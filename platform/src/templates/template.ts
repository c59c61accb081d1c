import { type Static, Type } from 'typebox'
import { WarrenError } from '../errors.ts'
import { platformAliases } from './platform-templates.ts'

export const buildStates = ['waiting', 'building', 'ready', 'error'] as const
export type BuildState = (typeof buildStates)[number]

const Instant = Type.String({ format: 'date-time' })

/** What stands in front of a build's end. */
export const BuildReason = Type.Object(
  {
    message: Type.String(),
    step: Type.Optional(Type.String({ description: 'The number of the step, from 1; or `base`, or `finalize`.' })),
  },
  { $id: 'BuildReason' },
)
export type BuildReason = Static<typeof BuildReason>

export const Template = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    description: Type.String(),
    state: Type.Enum([...buildStates], { description: '`ready` once a build of it can be used.' }),
    tags: Type.Array(Type.String()),
    createdAt: Type.Optional(Instant),
    updatedAt: Type.Optional(Instant),
    cpuCores: Type.Optional(Type.Number({ description: 'Of its sandboxes, where a request does not say.' })),
    memoryMb: Type.Optional(Type.Integer()),
    build: Type.Optional(Type.String({ description: 'The newest build.' })),
    progress: Type.Optional(Type.String({ description: 'What the newest build does, or why it failed.' })),
  },
  { $id: 'Template', description: 'What a sandbox starts from: its files and its users.' },
)
export type Template = Static<typeof Template>

/** One thing done to the files of a template, or to what its programs start with. */
export const TemplateStep = Type.Object(
  {
    type: Type.Enum(['RUN', 'COPY', 'ENV', 'WORKDIR', 'USER']),
    args: Type.Array(Type.String({ maxLength: 1_000_000 }), { maxItems: 1000 }),
    force: Type.Optional(
      Type.Boolean({ description: 'Done again, with all that follow, even where its result is known.' }),
    ),
    filesHash: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'Of a COPY: the upload that it takes its files from.' }),
    ),
    wholeContext: Type.Optional(
      Type.Boolean({ description: 'The upload holds more than this step copies, and the source chooses from it.' }),
    ),
  },
  { $id: 'TemplateStep', additionalProperties: false },
)
export type TemplateStep = Static<typeof TemplateStep>

export type { RegistryCredentials } from './registry/credentials.ts'

/** A Dockerfile, and the files that it copies. */
export const DockerfilePlan = Type.Object(
  {
    text: Type.String({ maxLength: 1_048_576 }),
    buildArgs: Type.Optional(Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 65_536 }))),
    target: Type.Optional(
      Type.String({ maxLength: 256, description: 'The stage that is wanted. Default: the last one.' }),
    ),
    uploads: Type.Optional(
      Type.Record(Type.String({ pattern: '^[0-9]+$' }), Type.String({ pattern: '^[0-9a-f]{64}$' }), {
        description: 'For the line of each COPY that takes files of the folder: the upload that has them.',
      }),
    ),
  },
  { $id: 'DockerfilePlan', additionalProperties: false },
)
export type DockerfilePlan = Static<typeof DockerfilePlan>

/** What a build is asked to do. */
export interface BuildPlan {
  /** `packages` are the platform's own to ask for. */
  from: { template: string } | { image: string } | { packages: string[] }
  steps: TemplateStep[]
  /** Instead of both. */
  dockerfile?: DockerfilePlan
  startCommand?: string
  readyCommand?: string
  /** What it starts is never kept with its memory: copies of one memory have the same keys in it. */
  startAnew?: boolean
  /** Nothing that is known is used. */
  force?: boolean
}

/** Of its sandboxes; what is absent is the operator's default. */
export interface TemplateLimits {
  cpuCores?: number
  memoryMb?: number
}

/** What a build is asked for with, before it begins. */
export interface RequestedBuild {
  name: string
  tags: string[]
  limits: TemplateLimits
  /** Kept until the build begins, where the caller says it before. */
  plan?: BuildPlan
}

export interface Build {
  id: string
  templateId: string
  accountId: string
  state: BuildState
  plan: BuildPlan | undefined
  tags: string[]
  limits: TemplateLimits
  reason: BuildReason | undefined
  createdAt: Date
  finishedAt: Date | undefined
}

/** The least important first. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const

export function levelsFrom(level: BuildLogEntry['level']): BuildLogEntry['level'][] {
  return logLevels.slice(logLevels.indexOf(level))
}

export interface BuildLogEntry {
  at: Date
  level: (typeof logLevels)[number]
  step: string | undefined
  message: string
}

/** A template by name and tag. */
export interface TemplateReference {
  name: string
  tag: string
}

export const defaultTag = 'default'
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Reads `name`, `name:tag`, `team/name` and `team/name:tag`: there is one team here. Throws `invalid_request`. */
export function parseReference(text: string): TemplateReference {
  const [, name = '', tag = defaultTag] = /^(?:[^/:]+\/)?([^:]*)(?::(.*))?$/.exec(text.toLowerCase()) ?? []
  checkName(name)
  checkTag(tag)
  return { name: platformAliases[name] ?? name, tag }
}

/** The name that `reference` has without a team and the usual tag. Throws `invalid_request`. */
export function plainNameOf(reference: string): string {
  const name = reference.toLowerCase().replace(/^[^/]*\/|:default$/g, '')
  checkName(name)
  return platformAliases[name] ?? name
}

export function unknownTemplate(name: string): WarrenError {
  return new WarrenError('not_found', `no template is named "${name.slice(0, 128)}"`, {
    hint: 'GET /v1/templates lists what there is.',
  })
}

export function checkName(name: string): void {
  if (/^[a-z0-9_-]{1,128}$/.test(name)) return
  throw new WarrenError(
    'invalid_request',
    `a template's name has 1 to 128 letters, digits, dashes and underscores, not "${name.slice(0, 140)}"`,
  )
}

export function checkTag(tag: string): void {
  if (/^[a-z0-9_.-]{1,128}$/.test(tag) && !uuid.test(tag)) return
  throw new WarrenError(
    'invalid_request',
    `a tag has 1 to 128 letters, digits, dots, dashes and underscores, and is no id, not "${tag.slice(0, 140)}"`,
  )
}

export function isBuildId(text: string): boolean {
  return uuid.test(text)
}

/** The same by time. */
export interface LogSearch {
  /** The first one, as `first` counts. */
  at?: Date | undefined
  first: 'oldest' | 'newest'
  limit: number
  level?: BuildLogEntry['level'] | undefined
}

/** Which entries of a build's log are asked for. */
export interface LogPage {
  offset: number
  limit: number
  level?: BuildLogEntry['level'] | undefined
}
