import type { Image } from '../../engine/images/images.ts'
import { WarrenError } from '../../errors.ts'
import type { StageState } from '../dockerfile/evaluate.ts'
import type { BuildPlan, RegistryCredentials } from '../template.ts'
import { bootstrap } from './bootstrap.ts'
import { BuildFailed } from './build-failed.ts'
import { type BuildPlace, changeInSandbox, runIn } from './in-sandbox.ts'
import type { PullImage } from './pull-image.ts'
import { makeUser, placeSudo } from './run-step.ts'

export interface BaseDeps {
  pull: PullImage | undefined
  /** The image that a template stands for; waits for a build that is being made. */
  imageOf: (template: string, signal: AbortSignal) => Promise<Image>
}

/** What `imageOf` takes for the best system of this host to build on. */
export const preferredBase = 'e2bdev/base'

/** Images that clients name and that stand for templates of ours. */
const templatesOfImages: Record<string, string> = {
  base: preferredBase,
  'e2bdev/base': preferredBase,
  'e2bdev/base:latest': preferredBase,
  'e2bdev/code-interpreter': 'code-interpreter',
  'e2bdev/code-interpreter:latest': 'code-interpreter',
}

/** Builds begin as this user, whoever the image is for. */
const user = 'user'
const home = '/home/user'

/** What a build begins with. Throws `BuildFailed` where there is no such thing. */
export async function baseImage(
  place: BuildPlace,
  deps: BaseDeps,
  from: BuildPlan['from'] & { credentials?: RegistryCredentials | undefined },
  signal: AbortSignal,
): Promise<Image> {
  try {
    if ('packages' in from) return await bootstrap(place, from.packages, signal)
    const template = 'template' in from ? from.template : templatesOfImages[from.image]
    if (template !== undefined) {
      const image = await deps.imageOf(template, signal)
      return 'template' in from ? image : { ...image, user, workdir: home }
    }
    return await pulled(place, deps, { ...from, image: (from as { image: string }).image }, signal)
  } catch (error) {
    throw explained(error, signal)
  }
}

async function pulled(place: BuildPlace, deps: BaseDeps, from: FromImage, signal: AbortSignal): Promise<Image> {
  const { image } = await fetched(place, deps, from, signal)
  return { ...image, user, workdir: home }
}

interface FromImage {
  image: string
  platform?: string
  credentials?: RegistryCredentials | undefined
}

/** What a stage of a Dockerfile begins with: the image as it is, and what it says of itself. */
export async function imageForDockerfile(
  place: BuildPlace,
  deps: BaseDeps,
  from: FromImage,
  signal: AbortSignal,
): Promise<{ image: Image; state: StageState }> {
  const template = templatesOfImages[from.image]
  if (template !== undefined) {
    const image = await baseImage(place, deps, { template }, signal)
    const { env, workdir = home } = image
    return { image, state: { env, workdir, user: image.user, cmd: [], entrypoint: [] } }
  }
  try {
    return await fetched(place, deps, from, signal)
  } catch (error) {
    throw explained(error, signal)
  }
}

async function fetched(
  place: BuildPlace,
  { pull }: BaseDeps,
  { image, platform, credentials }: FromImage,
  signal: AbortSignal,
): Promise<{ image: Image; state: StageState }> {
  if (!pull)
    throw new BuildFailed(`this server fetches no images yet, so not "${image}": begin with a template`, 'base')
  const { engine, log } = place
  const { layers, config } = await pull(image, {
    ...(credentials ? { credentials } : {}),
    ...(platform ? { platform } : {}),
    layersDir: engine.images.layers.folder,
    onProgress: (message) => log.say(message, { step: 'base' }),
    signal,
  })
  const own: Image = { layers: layers.toReversed(), onBase: false, user: 'root', env: config.env }
  // A group of its own is no part of a user here.
  const runs = { user: config.user.split(':')[0] || 'root', workdir: config.workdir }
  const key = engine.images.steps.key(own, 'users of clients')
  const known = await engine.images.steps.find(key)
  const ready = known ?? (await withUser(place, own, image, signal))
  if (!known) await engine.images.steps.keep(key, ready)
  return { image: { ...ready, ...runs }, state: { ...config, ...runs } }
}

function withUser(place: BuildPlace, own: Image, name: string, signal: AbortSignal): Promise<Image> {
  return changeInSandbox(
    place,
    own,
    async (instance) => {
      const argv = ['/bin/sh', '-c', `(${makeUser}) && { ${placeSudo} }`, 'warren', user]
      const { exitCode, stderr } = await runIn(instance, place, { argv, user: 'root' }, signal)
      if (exitCode !== 0) throw new BuildFailed(`no user "${user}" could be made in ${name}: ${stderr.trim()}`, 'base')
    },
    signal,
  )
}

function explained(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || !(error instanceof WarrenError)) return error
  return new BuildFailed(error.hint ? `${error.message}. ${error.hint}` : error.message, 'base', { cause: error })
}
