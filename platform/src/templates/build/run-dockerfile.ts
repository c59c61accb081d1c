import type { Image } from '../../engine/images/images.ts'
import { WarrenError } from '../../errors.ts'
import { type DockerfileStep, evaluateStage, type StageState } from '../dockerfile/evaluate.ts'
import { type Dockerfile, parseDockerfile } from '../dockerfile/parse.ts'
import { type PlannedStage, planStages } from '../dockerfile/plan-stages.ts'
import { quote } from '../dockerfile/words.ts'
import type { DockerfilePlan, RegistryCredentials, TemplateStep } from '../template.ts'
import { type BaseDeps, imageForDockerfile } from './base-image.ts'
import { BuildFailed } from './build-failed.ts'
import { copyBetween } from './copy-between.ts'
import { type BuildPlace, changeInSandbox, runIn } from './in-sandbox.ts'
import { known } from './known.ts'
import { runStep } from './run-step.ts'

export interface DockerfileDeps extends BuildPlace, BaseDeps {
  openUpload: (hash: string) => Promise<AsyncIterable<Buffer>>
}

interface Given {
  dockerfile: DockerfilePlan
  credentials?: RegistryCredentials | undefined
  force?: boolean | undefined
}

/** What a stage has come to: its files, and what it says. */
interface Made {
  image: Image
  state: StageState
}

/** Builds the stages that the target needs. Answers the image of the last one, and what it starts. Throws `BuildFailed`. */
export async function runDockerfile(
  deps: DockerfileDeps,
  { dockerfile, credentials, force = false }: Given,
  signal: AbortSignal,
): Promise<{ image: Image; startCommand: string | undefined }> {
  const { text, buildArgs = {}, target, uploads = {} } = dockerfile
  const file = readable(() => parseDockerfile(text))
  for (const { line, message } of file.notes) deps.log.say(`line ${line}: ${message}`, { level: 'warn' })
  const planned = readable(() => planStages(file, { buildArgs, ...(target === undefined ? {} : { target }) }))
  const making: Making = { deps, file, uploads, buildArgs, credentials, force, made: new Map(), images: new Map() }
  for (const stage of planned) making.made.set(stage.stage.index, await makeStage(making, stage, signal))
  const { image, state } = making.made.get(planned.at(-1)!.stage.index)!
  const { PATH } = state.env
  // A login shell starts it, and would forget where the image's programs are.
  const path = PATH === undefined ? '' : `export PATH=${quote(PATH)}; `
  return { image, startCommand: state.startCommand && `${path}exec ${state.startCommand}` }
}

interface Making {
  deps: DockerfileDeps
  file: Dockerfile
  uploads: Record<string, string>
  buildArgs: Record<string, string>
  credentials: RegistryCredentials | undefined
  force: boolean
  /** By the number of the stage. */
  made: Map<number, Made>
  /** Images that were pulled for this build. */
  images: Map<string, Made>
}

async function makeStage(making: Making, { stage, base }: PlannedStage, signal: AbortSignal): Promise<Made> {
  const { deps, file, buildArgs } = making
  deps.log.say(`[${stage.name ?? `stage ${stage.index}`}] FROM ${stage.base}`, { step: 'base' })
  if (base === 'scratch')
    throw new BuildFailed('FROM scratch is not supported: a sandbox needs a system, such as debian:12-slim', 'base')
  const begun = 'stage' in base ? making.made.get(base.stage)! : await imageOf(making, base, signal)
  const { steps, ...state } = readable(() => evaluateStage(file, stage, { base: begun.state, buildArgs }))
  const name = stage.name ?? `stage ${stage.index}`
  let image = begun.image
  for (const [index, step] of steps.entries()) {
    const title = `[${name} ${index + 1}/${steps.length}] ${step.type} ${step.args.filter(Boolean).join(' ')}`
    image = await makeStep(making, image, { step, title }, signal)
  }
  return { image, state }
}

async function makeStep(
  making: Making,
  image: Image,
  { step, title }: { step: DockerfileStep; title: string },
  signal: AbortSignal,
): Promise<Image> {
  const { deps, force, made, uploads } = making
  const number = `line ${step.line}`
  const place = { ...deps, step: number }
  const { from, type, args, shell, env } = step
  const source = from && ('stage' in from ? made.get(from.stage)! : await imageOf(making, from, signal)).image
  const filesHash = uploads[step.line]
  if (type === 'COPY' && !source && !filesHash) throw new BuildFailed(`no files were uploaded for ${title}`, number)
  const plain: TemplateStep = { type, args, wholeContext: true, ...(filesHash ? { filesHash } : {}) }
  const done = [type, args, shell ?? null, env ?? null, filesHash ?? null, source?.layers ?? null, 'Dockerfile']
  const work = (): Promise<Image> | Image => {
    if (type === 'ENV') return { ...image, env: { ...image.env, ...pairsOf(args) } }
    if (type === 'RUN') return run(deps, image, step, signal)
    return source ? copyBetween(place, { source, target: image }, plain, signal) : runStep(place, image, plain, signal)
  }
  return known(deps, image, { done, title, step: number, force }, work, signal)
}

/** In the image's own shell, with what it has as PATH. */
async function run(deps: DockerfileDeps, image: Image, step: DockerfileStep, signal: AbortSignal): Promise<Image> {
  const { args, shell = [], env = {}, line } = step
  const logAs = `line ${line}`
  return changeInSandbox(
    deps,
    image,
    async (instance) => {
      const argv = [...shell, args[0]!]
      const program = { argv, user: image.user, cwd: image.workdir ?? '/', env, logAs }
      const { exitCode } = await runIn(instance, deps, program, signal)
      if (exitCode !== 0)
        throw new BuildFailed(`failed to run command '${args[0]}': exit status ${exitCode ?? 'unknown'}`, logAs)
    },
    signal,
  )
}

async function imageOf(
  { deps, images, credentials }: Making,
  from: { image: string; platform?: string },
  signal: AbortSignal,
) {
  const found = images.get(from.image) ?? (await imageForDockerfile(deps, deps, { ...from, credentials }, signal))
  images.set(from.image, found)
  return found
}

function pairsOf(args: string[]): Record<string, string> {
  return Object.fromEntries(args.flatMap((name, index) => (index % 2 === 0 ? [[name, args[index + 1] ?? '']] : [])))
}

/** What is wrong with the file is the build's end, and not ours. */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof WarrenError)) throw error
    const line = error.details?.line
    throw new BuildFailed(error.message, line === undefined ? 'base' : `line ${line}`, { cause: error })
  }
}
