import { WarrenError } from '../../errors.ts'
import { dockerfileError, short } from './dockerfile-error.ts'
import { copySource, globalArgs, valueIn } from './evaluate.ts'
import type { Dockerfile, Stage } from './parse.ts'

export type StageBase = { stage: number } | { image: string; platform?: string } | 'scratch'

export interface PlannedStage {
  stage: Stage
  base: StageBase
}

/** The stages that `target` (by default the last one) needs, each after those that it needs. */
export function planStages(
  file: Dockerfile,
  { target, buildArgs = {} }: { target?: string; buildArgs?: Record<string, string> } = {},
): PlannedStage[] {
  const values = globalArgs(file, buildArgs)
  const bases = file.stages.map((stage) => baseOf(file, stage, values))
  const needed = new Set<number>()
  const need = (index: number) => {
    if (needed.has(index)) return
    needed.add(index)
    const { stage, instructions } = { stage: file.stages[index]!, instructions: file.stages[index]!.instructions }
    const base = bases[index]!
    if (typeof base === 'object' && 'stage' in base) need(base.stage)
    for (const instruction of instructions) {
      if (instruction.kind !== 'COPY' || instruction.from === undefined) continue
      const source = copySource(file, stage, instruction.from, instruction.line)
      if ('stage' in source) need(source.stage)
    }
  }
  need(indexOf(file, target))
  // A stage needs only those before it.
  return [...needed].sort((a, b) => a - b).map((index) => ({ stage: file.stages[index]!, base: bases[index]! }))
}

function indexOf({ stages }: Dockerfile, target: string | undefined): number {
  if (target === undefined) return stages.length - 1
  const found = stages.findIndex(({ name, index }) => name === target.toLowerCase() || String(index) === target)
  if (found >= 0) return found
  throw new WarrenError('invalid_request', `the Dockerfile has no stage "${short(target)}"`)
}

function baseOf({ stages, escapeLetter }: Dockerfile, stage: Stage, values: Record<string, string>): StageBase {
  const name = valueIn(stage.base, values, stage.line, escapeLetter)
  if (!name) throw dockerfileError(stage.line, `FROM ${short(stage.base)} names no image: an ARG has no value`)
  const earlier = stages.slice(0, stage.index).findLast((other) => other.name === name.toLowerCase())
  if (earlier) return { stage: earlier.index }
  if (name.toLowerCase() === 'scratch') return 'scratch'
  const platform = stage.platform && valueIn(stage.platform, values, stage.line, escapeLetter)
  const own = values.TARGETPLATFORM
  if (platform && platform !== own && !platform.startsWith(`${own}/`))
    throw dockerfileError(stage.line, `--platform=${short(platform)} does not run here: this host is ${own}`)
  return { image: name, ...(platform ? { platform } : {}) }
}
