import { WarrenError } from '@warren/sdk'
import { evaluateStage, type StageState } from '../../../platform/src/templates/dockerfile/evaluate.ts'
import { parseDockerfile } from '../../../platform/src/templates/dockerfile/parse.ts'
import { planStages } from '../../../platform/src/templates/dockerfile/plan-stages.ts'
import { text } from '../messages.ts'
import type { ContextEntry } from './list-context.ts'
import { selectFiles } from './select-files.ts'

interface Asked {
  dockerfile: string
  buildArgs: Record<string, string>
  target?: string | undefined
}

/**
 * The files that each COPY of the folder takes, by its line: so a change of one file does again only what depends on it.
 * Throws `invalid_request` for a Dockerfile that cannot be built and for a source that is not there.
 */
export function copiedFiles(
  entries: ContextEntry[],
  { dockerfile, buildArgs, target }: Asked,
): Map<number, ContextEntry[]> {
  const file = parseDockerfile(dockerfile)
  const copied = new Map<number, ContextEntry[]>()
  for (const { stage } of planStages(file, { buildArgs, ...(target === undefined ? {} : { target }) })) {
    const sources = new Map<number, string[]>()
    for (const { type, line, args, from } of evaluateStage(file, stage, { base: unknown, buildArgs }).steps)
      if (type === 'COPY' && !from) sources.set(line, [...(sources.get(line) ?? []), args[0]!])
    for (const instruction of stage.instructions) {
      const found = sources.get(instruction.line)
      if (instruction.kind !== 'COPY' || !found) continue
      // What a variable comes to, the image may decide, which is not here.
      const isCertain = !instruction.sources.some((source) => source.includes('$'))
      const { selected, missing } = isCertain ? selectFiles(entries, found) : { selected: entries, missing: undefined }
      if (missing !== undefined) throw new WarrenError('invalid_request', text.nothingToCopy(instruction.line, missing))
      copied.set(instruction.line, selected)
    }
  }
  return copied
}

/** What an image says is known on the server only. */
const unknown: StageState = { env: {}, workdir: '/', user: 'root', cmd: [], entrypoint: [] }
