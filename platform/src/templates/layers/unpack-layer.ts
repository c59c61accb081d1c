import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { step } from '../../lib/step.ts'
import type { LayerLimits } from './layer-limits.ts'
import type { UnpackAnswer, UnpackOrder } from './unpack-thread.ts'

interface UnpackLayer {
  /** A tar archive as it came: plain, gzip or zstd. Nothing of it is trusted. */
  archive: string
  /** What the decompressed archive must be. */
  sha256: string
  layersDir: string
  guestBinary: string
  limits: LayerLimits
  onProgress?: (bytes: number) => void
  signal?: AbortSignal
}

/**
 * Unpacks a layer into `layersDir/<sha256>`, in the form that overlayfs reads: a name that the layer takes away is the
 * character device 0/0, a directory whose content it takes away has `trusted.overlay.opaque`. It is there whole or not at
 * all. Needs root. Throws `invalid_request` for a layer that is not as it should be and `too_large` for one that does
 * not fit.
 */
export async function unpackLayer(layer: UnpackLayer): Promise<string> {
  const { layersDir, sha256, signal } = layer
  const place = join(layersDir, sha256)
  if (await isAccessible(place)) return place
  if (process.getuid?.() !== 0)
    throw new WarrenError('unavailable', 'layers of images are unpacked by root only', {
      hint: 'Run the platform as root, or use the template "base".',
    })
  // Others must not come to programs that run as their owner, so nobody may look inside.
  await step('layers.make', layersDir, () => mkdir(layersDir, { recursive: true, mode: 0o700 }).then(() => {}))
  const draft = `${place}.${newId('d')}.draft`
  try {
    await step('layer.unpack', draft, async () => {
      await mkdir(draft, { mode: 0o700 })
      await inThread(layer, draft)
    })
    signal?.throwIfAborted()
    await step('layer.keep', place, () => rename(draft, place))
  } catch (error) {
    await step('layer.forget', draft, () => rm(draft, { recursive: true, force: true }))
    // Somebody else unpacked the same one meanwhile.
    if (!(await isAccessible(place))) throw error
  }
  return place
}

async function inThread({ archive, sha256, guestBinary, limits, onProgress, signal }: UnpackLayer, folder: string) {
  const order: UnpackOrder = { archive, folder, guestBinary, limits }
  const thread = new Worker(new URL('./unpack-thread.ts', import.meta.url), {
    workerData: order,
    // What this process was started with is not for it.
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  })
  const stop = () => void thread.terminate()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    signal?.throwIfAborted()
    const answer = await new Promise<Exclude<UnpackAnswer, { kind: 'progress' }>>((resolve, reject) => {
      thread.on('message', (message: UnpackAnswer) => {
        if (message.kind === 'progress') onProgress?.(message.bytes)
        else resolve(message)
      })
      thread.on('error', reject)
      thread.on('exit', () => reject(signal?.reason ?? new Error('the thread that unpacks a layer ended early')))
    })
    if (answer.kind === 'failed') throw failure(sha256, answer)
    if (answer.sha256 !== sha256)
      throw new WarrenError('invalid_request', `layer ${sha256} is not what it says: unpacked it is ${answer.sha256}`)
  } finally {
    signal?.removeEventListener('abort', stop)
    await thread.terminate()
  }
}

function failure(sha256: string, { refused, message }: { refused: boolean; message: string }): WarrenError {
  if (!refused)
    return new WarrenError('internal', 'a layer could not be unpacked on this host', { cause: new Error(message) })
  const code = /larger than|more than \d+ entries|does not fit/.test(message) ? 'too_large' : 'invalid_request'
  return new WarrenError(code, `layer ${sha256} ${message}`)
}
