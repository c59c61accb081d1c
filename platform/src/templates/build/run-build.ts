import type { Limits } from '../../engine/driver.ts'
import type { Instance } from '../../engine/engine.ts'
import type { Image } from '../../engine/images/images.ts'
import { runStartCommand } from '../../engine/start-command.ts'
import { WarrenError } from '../../errors.ts'
import type { BuildPlan, RegistryCredentials } from '../template.ts'
import { type BaseDeps, baseImage } from './base-image.ts'
import { BuildFailed } from './build-failed.ts'
import { type BuildPlace, lookInSandbox } from './in-sandbox.ts'
import { known } from './known.ts'
import { runDockerfile } from './run-dockerfile.ts'
import { runStep } from './run-step.ts'

export interface BuildDeps extends BuildPlace, BaseDeps {
  openUpload: (hash: string) => Promise<AsyncIterable<Buffer>>
  /** What a sandbox of the template has, where nothing else is asked for. */
  startLimits: Limits
  /** Why nothing that runs is kept, where the operator wants it so. */
  keepsNoStart?: string | undefined
}

/** How long a template's program may take until it is ready while it is built, milliseconds. */
const readyMs = 600_000
const askEveryMs = 2_000

/**
 * Makes the image of a template: from what it begins with, one step after the other, each in a sandbox that starts from what
 * the one before left. What has been done before to the same image is not done again. Throws `BuildFailed`.
 */
export async function runBuild(
  deps: BuildDeps,
  plan: BuildPlan & { credentials?: RegistryCredentials | undefined },
  signal: AbortSignal,
): Promise<Image> {
  const { credentials, dockerfile, force } = plan
  const built = dockerfile
    ? await runDockerfile(deps, { dockerfile, credentials, force }, signal)
    : { image: await runSteps(deps, plan, signal), startCommand: undefined }
  const startCommand = plan.startCommand ?? built.startCommand
  const { readyCommand } = plan
  const keepsNoStart = plan.startAnew ? 'the template asks for it' : deps.keepsNoStart
  if (startCommand || readyCommand)
    await tryStart({ ...deps, keepsNoStart }, built.image, { startCommand, readyCommand }, signal)
  deps.log.say('Build finished', { step: 'finalize' })
  return startCommand ? { ...built.image, startCommand } : built.image
}

async function runSteps(
  deps: BuildDeps,
  { from, credentials, steps, force = false }: BuildPlan & { credentials?: RegistryCredentials | undefined },
  signal: AbortSignal,
): Promise<Image> {
  deps.log.say(`[base] FROM ${nameOf(from)}`, { step: 'base' })
  let image = await baseImage(deps, deps, { ...from, credentials }, signal)
  let isForced = force
  for (const [index, step] of steps.entries()) {
    isForced ||= step.force === true
    const number = String(index + 1)
    const title = `[builder ${number}/${steps.length}] ${step.type} ${step.args.filter(Boolean).join(' ')}`
    const doing = { done: [step.type, step.args, step.filesHash ?? null], title, step: number, force: isForced }
    const before = image
    image = await known(deps, before, doing, () => runStep({ ...deps, step: number }, before, step, signal), signal)
  }
  return image
}

function nameOf(from: BuildPlan['from']): string {
  if ('packages' in from) return 'Debian packages'
  return 'template' in from ? from.template : from.image
}

interface Starting {
  startCommand: string | undefined
  readyCommand: string | undefined
}

/** Whether what every sandbox of it will start with does start; if so, it is kept with its memory where that can be saved. */
async function tryStart(
  deps: BuildDeps,
  image: Image,
  { startCommand: command, readyCommand: ready }: Starting,
  signal: AbortSignal,
): Promise<void> {
  const { log } = deps
  const step = 'finalize'
  if (command) log.say(`[finalize] Starting: ${command}`, { step })
  if (ready) log.say(`[finalize] Waiting for: ${ready}`, { step })
  const tell = { stdout: log.lines('debug', step), stderr: log.lines('debug', step) }
  const options = {
    patienceMs: readyMs,
    everyMs: askEveryMs,
    onOutput: (of: 'stdout' | 'stderr', data: Buffer) => tell[of](data),
  }
  const commands = { ...(command ? { command } : {}), ...(ready ? { ready } : {}) }
  const start = async (instance: Instance) => {
    await runStartCommand(instance, commands, options, signal)
    if (command) await keepStarted(deps, instance, signal)
  }
  const place = { ...deps, limits: deps.startLimits }
  await lookInSandbox(place, image, start, signal).catch((error) => {
    if (signal.aborted || !(error instanceof WarrenError)) throw error
    throw new BuildFailed(error.message, step, { cause: error })
  })
}

/** What cannot be saved is started in each sandbox: the log says so. */
async function keepStarted(
  { engine, buildId, log, network, keepsNoStart }: BuildDeps,
  instance: Instance,
  signal: AbortSignal,
): Promise<void> {
  const step = 'finalize'
  if (keepsNoStart) return log.say(`[finalize] Each sandbox starts it anew: ${keepsNoStart}`, { step })
  try {
    await network.leave(instance)
    await engine.saved.saveStart(instance.id, buildId, signal)
    log.say('[finalize] Saved with its memory: sandboxes begin with it running', { step })
  } catch (error) {
    if (signal.aborted || !(error instanceof WarrenError)) throw error
    log.say(`[finalize] Not saved with its memory, so each sandbox starts it anew: ${error.message}`, { step })
  }
}
