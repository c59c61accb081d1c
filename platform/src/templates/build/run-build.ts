import type { Image } from '../../engine/images/images.ts'
import { runStartCommand } from '../../engine/start-command.ts'
import { WarrenError } from '../../errors.ts'
import type { BuildPlan, RegistryCredentials, TemplateStep } from '../template.ts'
import { type BaseDeps, baseImage } from './base-image.ts'
import { BuildFailed } from './build-failed.ts'
import { type BuildPlace, lookInSandbox } from './in-sandbox.ts'
import { runStep } from './run-step.ts'

export interface BuildDeps extends BuildPlace, BaseDeps {
  openUpload: (hash: string) => Promise<AsyncIterable<Buffer>>
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
  const { log } = deps
  const { from, credentials, steps, startCommand, readyCommand } = plan
  log.say(`[base] FROM ${'template' in from ? from.template : from.image}`, { step: 'base' })
  let image = await baseImage(deps, deps, { ...from, credentials }, signal)
  let isForced = plan.force === true
  for (const [index, step] of steps.entries()) {
    isForced ||= step.force === true
    const number = String(index + 1)
    const title = `[builder ${number}/${steps.length}] ${step.type} ${step.args.filter(Boolean).join(' ')}`
    const key = deps.engine.images.steps.key(image, [step.type, step.args, step.filesHash ?? null])
    const known = isForced ? undefined : await deps.engine.images.steps.find(key)
    log.say(known ? `CACHED ${title}` : title, { step: number })
    image = known ?? (await done(deps, { image, step, number }, signal))
    if (!known) await deps.engine.images.steps.keep(key, image)
    await log.flush()
  }
  if (startCommand || readyCommand) await tryStart(deps, image, plan, signal)
  log.say('Build finished', { step: 'finalize' })
  return image
}

async function done(
  deps: BuildDeps,
  { image, step, number }: { image: Image; step: TemplateStep; number: string },
  signal: AbortSignal,
): Promise<Image> {
  try {
    return await runStep({ ...deps, step: number }, image, step, signal)
  } catch (error) {
    if (signal.aborted || error instanceof BuildFailed || !(error instanceof WarrenError)) throw error
    throw new BuildFailed(error.hint ? `${error.message}. ${error.hint}` : error.message, number, { cause: error })
  }
}

/** Whether what every sandbox of it will start with does start. */
async function tryStart(deps: BuildDeps, image: Image, plan: BuildPlan, signal: AbortSignal): Promise<void> {
  const { log } = deps
  const { startCommand: command, readyCommand: ready } = plan
  const step = 'finalize'
  if (command) log.say(`[finalize] Starting: ${command}`, { step })
  if (ready) log.say(`[finalize] Waiting for: ${ready}`, { step })
  const tell = { stdout: log.lines('debug', step), stderr: log.lines('debug', step) }
  const options = { patienceMs: readyMs, everyMs: askEveryMs, onOutput: (of: 'stdout' | 'stderr', data: Buffer) => tell[of](data) }
  const commands = { ...(command ? { command } : {}), ...(ready ? { ready } : {}) }
  await lookInSandbox(deps, image, (instance) => runStartCommand(instance, commands, options, signal), signal).catch(
    (error) => {
      if (signal.aborted || !(error instanceof WarrenError)) throw error
      throw new BuildFailed(error.message, step, { cause: error })
    },
  )
}
