import type { Config } from '../../config.ts'
import { isPlatformTemplate } from '../../templates/platform-templates.ts'
import type { Build, BuildLogEntry, Template, TemplateLimits } from '../../templates/template.ts'
import type { TemplateUse } from '../../templates/template-uses.ts'
import { envdVersion } from './view.ts'

type Limits = Config['defaultLimits']

/** What is told of a template besides. */
interface Told {
  builds: readonly Build[]
  limits: Limits
  /** By the name of the template. */
  uses: ReadonlyMap<string, TemplateUse>
}

/** Of what was never built here. */
export const noBuild = '00000000-0000-0000-0000-000000000000'
const begin = new Date(0).toISOString()

/** A template, in the words of the contract. */
export function templateView(template: Template, { builds, limits, uses }: Told) {
  const { name, build, state } = template
  return {
    ...shownOf(template, uses),
    buildID: build ?? noBuild,
    ...sizeOf(template, limits),
    aliases: [name],
    createdBy: null,
    buildCount: builds.length,
    envdVersion,
    buildStatus: state,
  }
}

export function templateWithBuilds(template: Template, { builds, limits, uses }: Told): object {
  return {
    ...shownOf(template, uses),
    aliases: [template.name],
    builds: builds.map((build) => buildView(build, limits)),
  }
}

/** What both have. */
function shownOf({ id, name, createdAt, updatedAt }: Template, uses: Told['uses']) {
  const use = uses.get(name)
  return {
    templateID: id,
    public: isPlatformTemplate(name),
    names: [name],
    createdAt: createdAt ?? begin,
    updatedAt: updatedAt ?? begin,
    lastSpawnedAt: use?.lastAt.toISOString() ?? null,
    spawnCount: use?.count ?? 0,
  }
}

function buildView({ id, state, limits: own, createdAt, finishedAt }: Build, limits: Limits): object {
  return {
    buildID: id,
    status: state,
    createdAt: createdAt.toISOString(),
    updatedAt: (finishedAt ?? createdAt).toISOString(),
    ...(finishedAt ? { finishedAt: finishedAt.toISOString() } : {}),
    ...sizeOf(own, limits),
    envdVersion,
  }
}

function sizeOf({ cpuCores, memoryMb }: TemplateLimits, limits: Limits): object {
  return {
    cpuCount: Math.max(1, Math.round(cpuCores ?? limits.cpuCores)),
    memoryMB: memoryMb ?? limits.memoryMb,
    diskSizeMB: limits.diskMb,
  }
}

export function logView({ at, level, step, message }: BuildLogEntry): object {
  return { timestamp: at.toISOString(), message, level, ...(step === undefined ? {} : { step }) }
}
