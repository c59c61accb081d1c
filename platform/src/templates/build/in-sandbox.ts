import type { Limits } from '../../engine/driver.ts'
import type { Engine, Instance } from '../../engine/engine.ts'
import type { Image } from '../../engine/images/images.ts'
import { WarrenError } from '../../errors.ts'
import type { BuildLog } from './build-log.ts'

/** Where the work of one build is done. */
export interface BuildPlace {
  engine: Engine
  buildId: string
  limits: Limits
  log: BuildLog
  network: BuildNetwork
}

/** Who counts what sandboxes of a build send. */
export interface BuildNetwork {
  /** Before anything of the build runs there. */
  open: (instance: Instance) => Promise<void>
  /** It is about to end. */
  leave: (instance: Instance) => Promise<void>
}

/** A program's end, and the last of what it said on its standard error. */
export interface Ran {
  exitCode: number | null
  stdout: string
  stderr: string
}

const keptOutput = 8_192
/** Where the signed packages of the platform's own templates are set up, which a kernel in user space takes minutes for. */
const quickDriver = 'oci/runc'
/** Longest that one command of a build runs, milliseconds. */
const commandMs = 3_600_000

/**
 * Starts a sandbox from `image`, does `work` in it, ends it, and answers the image with what was written on top. It is a
 * sandbox like all others: what a build tries, it tries in there. On rejection nothing of it is left.
 */
export async function changeInSandbox(
  place: BuildPlace,
  image: Image,
  work: (instance: Instance) => Promise<void>,
  signal: AbortSignal,
  { below, isOurs = false }: { below?: string; isOurs?: boolean } = {},
): Promise<Image> {
  const { engine, network } = place
  const instance = await startFrom(place, image, signal, isOurs)
  try {
    await work(instance)
    await network.leave(instance)
  } catch (error) {
    await end(place, instance)
    throw error
  }
  const layer = await engine.saved.captureLayer(instance.id, { below }, signal)
  return layer ? { ...image, layers: [layer.digest, ...image.layers] } : image
}

/** As `changeInSandbox`, where nothing that is written is kept. */
export async function lookInSandbox<T>(
  place: BuildPlace,
  image: Image,
  work: (instance: Instance) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const instance = await startFrom(place, image, signal)
  try {
    return await work(instance)
  } finally {
    await end(place, instance)
  }
}

async function end({ engine, network }: BuildPlace, instance: Instance): Promise<void> {
  await network.leave(instance)
  await engine.stop(instance.id)
}

async function startFrom(place: BuildPlace, image: Image, signal: AbortSignal, isOurs = false): Promise<Instance> {
  const instance = await startAlone(place, image, signal, isOurs)
  try {
    await place.network.open(instance)
    return instance
  } catch (error) {
    await end(place, instance)
    throw error
  }
}

async function startAlone(
  { engine, buildId, limits }: BuildPlace,
  image: Image,
  signal: AbortSignal,
  isOurs: boolean,
): Promise<Instance> {
  const network = engine.network.isThere ? { network: { internet: true, allow: [], deny: [] } } : {}
  const request = { owner: buildId, template: buildId, image, limits, env: {}, ...network, cold: true }
  const start = async (isolation: { min: 'container' } | { driver: string }) =>
    (await engine.start({ ...request, isolation }, signal)).instance
  if (!isOurs) return start({ min: 'container' })
  return start({ driver: quickDriver }).catch((error) => {
    if (!(error instanceof WarrenError && error.code === 'unavailable')) throw error
    return start({ min: 'container' })
  })
}

interface Program {
  argv: string[]
  user: string
  cwd?: string
  env?: Record<string, string>
  /** What it says goes to the log under this step. */
  logAs?: string
}

/** Runs a program to its end. Throws `not_found` for a user or a folder that is not there. */
export async function runIn(
  instance: Instance,
  { log }: Pick<BuildPlace, 'log'>,
  program: Program,
  signal: AbortSignal,
): Promise<Ran> {
  const { argv, user, cwd, env, logAs } = program
  const process = await instance.guest.exec(
    { argv, user, ...(env ? { env } : {}), timeoutMs: commandMs, cwd: cwd ?? '/' },
    signal,
  )
  const giveUp = () => process.detach()
  signal.addEventListener('abort', giveUp, { once: true })
  const tell = {
    stdout: logAs === undefined ? undefined : log.lines('info', logAs),
    stderr: logAs === undefined ? undefined : log.lines('warn', logAs),
  }
  const kept = { stdout: '', stderr: '' }
  try {
    for await (const { stream, data } of process.output()) {
      tell[stream]?.(data)
      kept[stream] = (kept[stream] + data.toString()).slice(-keptOutput)
    }
    for (const stream of ['stdout', 'stderr'] as const) tell[stream]?.()
    const { exitCode, reason } = await process.exit
    if (reason === 'out_of_memory') throw new WarrenError('limit_exceeded', 'the build used up its memory')
    if (reason === 'timeout') throw new WarrenError('timeout', 'the command ran for longer than an hour')
    return { exitCode, ...kept }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
