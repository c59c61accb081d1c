import type { Image } from '../../engine/images/images.ts'
import { WarrenError } from '../../errors.ts'
import { BuildFailed } from './build-failed.ts'
import type { BuildPlace } from './in-sandbox.ts'

interface Doing {
  /** All that the result depends on beside the image. */
  done: unknown
  title: string
  step: string
  force: boolean
}

/** What comes of doing something to an image: known from before, or done now and remembered. */
export async function known(
  { engine, log }: BuildPlace,
  image: Image,
  { done, title, step, force }: Doing,
  work: () => Promise<Image> | Image,
  signal: AbortSignal,
): Promise<Image> {
  const { steps } = engine.images
  const key = steps.key(image, done)
  const found = force ? undefined : await steps.find(key)
  log.say(found ? `CACHED ${title}` : title, { step })
  if (found) return found
  try {
    const made = await work()
    await steps.keep(key, made)
    return made
  } catch (error) {
    if (signal.aborted || error instanceof BuildFailed || !(error instanceof WarrenError)) throw error
    throw new BuildFailed(error.hint ? `${error.message}. ${error.hint}` : error.message, step, { cause: error })
  } finally {
    await log.flush()
  }
}
