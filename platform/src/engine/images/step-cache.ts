import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { atomicWrite } from '../../lib/atomic-write.ts'
import { step } from '../../lib/step.ts'
import type { Image } from './images.ts'
import type { LayerStore } from './layer-store.ts'

/** What nobody asked for in so long is forgotten, milliseconds. */
const keptMs = 7 * 24 * 3_600_000

/** What came of doing something to an image, by the image and by what was done. */
export class StepCache {
  readonly #folder: string
  readonly #layers: LayerStore

  private constructor(folder: string, layers: LayerStore) {
    this.#folder = folder
    this.#layers = layers
  }

  static async open(imagesDir: string, layers: LayerStore): Promise<StepCache> {
    const folder = join(imagesDir, 'steps')
    await step('home.make', folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
    return new StepCache(folder, layers)
  }

  /** `done` must say all that the result depends on beside the image. */
  key(image: Image, done: unknown): string {
    const { layers, onBase, user, workdir, env } = image
    const sorted = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))
    return createHash('sha256')
      .update(JSON.stringify([layers, onBase, user, workdir ?? null, sorted, done]))
      .digest('hex')
  }

  /** Undefined where it is not known, or a layer of it is gone. */
  async find(key: string): Promise<Image | undefined> {
    const file = this.#file(key)
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    const image = JSON.parse(text) as Image
    const present = await Promise.all(image.layers.map((digest) => this.#layers.has(digest)))
    if (!present.every(Boolean)) return undefined
    const now = new Date()
    await step('build_step.use', key, () => utimes(file, now, now))
    return image
  }

  async keep(key: string, image: Image): Promise<void> {
    await step('build_step.keep', key, () => atomicWrite(this.#file(key), JSON.stringify(image)))
  }

  /** Forgets what is old; answers the layers that the rest needs. */
  async collect(now: number): Promise<Set<string>> {
    const needed = new Set<string>()
    for (const name of await readdir(this.#folder)) {
      const file = join(this.#folder, name)
      const isKept = name.endsWith('.json') && now - (await stat(file)).mtimeMs < keptMs
      if (!isKept) await step('build_step.forget', name, () => rm(file, { force: true }))
      else for (const digest of (JSON.parse(await readFile(file, 'utf8')) as Image).layers) needed.add(digest)
    }
    return needed
  }

  #file(key: string): string {
    return join(this.#folder, `${key}.json`)
  }
}
