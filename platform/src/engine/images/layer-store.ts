import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { runCommand } from '../../lib/run-command.ts'
import { step } from '../../lib/step.ts'

/** A folder of files, named by the checksum of what is in it. It never changes, and any number of sandboxes share it. */
export interface Layer {
  /** SHA-256, hexadecimal. */
  digest: string
  bytes: number
  files: number
}

/** What a sandbox has written, on its disk. */
export interface Written {
  /** Image of the disk. */
  image: string
  /** An empty folder to mount it at. */
  mountPoint: string
  /** First of the host's user numbers that its files belong to. */
  uidBase: number
  /** The folder of the sandbox that becomes the root of the layer. Default: all of it. */
  below?: string | undefined
  maxMb: number
}

/** More files than this make no layer: an image of a whole system has a tenth. */
const maxFiles = 2_000_000
const copyMs = 600_000
const draftEnding = '.draft'

/**
 * Layers below one folder, which only root may enter: what is marked as set-user-id in them is of no use to anybody else.
 * Files belong to the owners that they have inside; what a layer takes away is marked as overlayfs has it.
 */
export class LayerStore {
  readonly #root: string
  readonly #guestBinary: string

  private constructor(root: string, guestBinary: string) {
    this.#root = root
    this.#guestBinary = guestBinary
  }

  /** Removes what was in the making when an earlier process ended. */
  static async open({ imagesDir, guestBinary }: { imagesDir: string; guestBinary: string }): Promise<LayerStore> {
    const root = join(imagesDir, 'layers')
    await step('home.make', root, () => mkdir(root, { recursive: true, mode: 0o700 }))
    const store = new LayerStore(root, guestBinary)
    for (const name of await readdir(root)) if (name.endsWith(draftEnding)) await store.#discard(name)
    return store
  }

  /** Where layers are: `<sha256>/`, each whole or not there. */
  get folder(): string {
    return this.#root
  }

  path(digest: string): string {
    return join(this.#root, digest)
  }

  has(digest: string): Promise<boolean> {
    return isAccessible(this.path(digest))
  }

  /** Makes a layer of what a sandbox that has ended has written; undefined where that is nothing. */
  async capture(written: Written, signal: AbortSignal): Promise<Layer | undefined> {
    const { image, mountPoint, below = '', uidBase, maxMb } = written
    const draft = await this.draft()
    try {
      const numbers = [uidBase, maxMb, maxFiles].map(String)
      const copied = await step('layer.copy', draft, () =>
        runCommand([this.#guestBinary, 'layer', image, mountPoint, below, draft, ...numbers], {
          timeoutMs: copyMs,
          signal,
        }),
      )
      if (!copied.ok)
        throw new WarrenError(
          'limit_exceeded',
          `no layer could be made of what was written: ${copied.stderr.trim() || copied.failure}`,
        )
      const { sha256, ...size } = JSON.parse(copied.stdout) as { sha256: string; bytes: number; files: number }
      if (size.files === 0) return undefined
      await this.commit(draft, sha256)
      return { digest: sha256, ...size }
    } finally {
      await this.#discard(draft.slice(this.#root.length + 1))
    }
  }

  /** An empty folder to make a layer in. */
  async draft(): Promise<string> {
    const draft = join(this.#root, newId('d') + draftEnding)
    await step('layer.draft', draft, async () => {
      await mkdir(draft)
      await chmod(draft, 0o755)
    })
    return draft
  }

  /** From here on it exists, whole. One that is there already stays. */
  async commit(draft: string, digest: string): Promise<void> {
    await step('layer.commit', digest, () =>
      rename(draft, this.path(digest)).catch(async (error) => {
        if (!(await this.has(digest))) throw error
      }),
    )
  }

  /** Removes every layer that is not named in `kept`. Whoever asks sees to it that nobody starts from one of them. */
  async keepOnly(kept: ReadonlySet<string>): Promise<string[]> {
    const isOld = (name: string) => /^[0-9a-f]{64}$/.test(name) && !kept.has(name)
    const removed = (await readdir(this.#root)).filter(isOld)
    for (const digest of removed) {
      // Not there at once, for a removal may be cut off.
      const draft = digest + draftEnding
      await step('layer.forget', digest, () => rename(this.path(digest), join(this.#root, draft)))
      await this.#discard(draft)
    }
    return removed
  }

  async #discard(name: string): Promise<void> {
    await step('layer.discard', name, () => rm(join(this.#root, name), { recursive: true, force: true }))
  }
}
