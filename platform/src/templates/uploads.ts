import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { isAccessible } from '../lib/is-accessible.ts'
import { step } from '../lib/step.ts'

/** Of one upload. */
const mostBytes = 4 * 1024 ** 3
/** What no build asked for in so long is forgotten, milliseconds. */
const keptMs = 7 * 24 * 3_600_000

/** Archives that builds copy files from, each account's in a folder of its own, named by a checksum that the client chose. */
export class Uploads {
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
  }

  static async open(home: string): Promise<Uploads> {
    const root = join(home, 'uploads')
    await step('home.make', root, () => mkdir(root, { recursive: true, mode: 0o700 }))
    return new Uploads(root)
  }

  async has(accountId: string, hash: string): Promise<boolean> {
    const path = this.#path(accountId, hash)
    if (!(await isAccessible(path))) return false
    const now = new Date()
    await step('upload.use', hash, () => utimes(path, now, now))
    return true
  }

  /** Takes an archive; it is there whole or not at all. Throws `too_large`. */
  async receive(accountId: string, hash: string, content: Readable): Promise<void> {
    const path = this.#path(accountId, hash)
    const draft = `${path}.${newId('d')}.draft`
    await step('upload.receive', hash, async () => {
      await mkdir(this.#folder(accountId), { recursive: true, mode: 0o700 })
      const file = await open(draft, 'wx', 0o600)
      try {
        let bytes = 0
        for await (const chunk of content as AsyncIterable<Buffer>) {
          bytes += chunk.length
          if (bytes > mostBytes)
            throw new WarrenError('too_large', `an upload has at most ${mostBytes / 1024 ** 3} GiB`)
          await file.write(chunk)
        }
        await rename(draft, path)
      } finally {
        await file.close()
        await rm(draft, { force: true })
      }
    })
  }

  /** Throws `not_found` where nothing was uploaded. */
  async read(accountId: string, hash: string): Promise<AsyncIterable<Buffer>> {
    if (!(await this.has(accountId, hash)))
      throw new WarrenError('not_found', `nothing was uploaded as ${hash}`, {
        hint: 'Upload the files, then build again.',
      })
    return createReadStream(this.#path(accountId, hash), { highWaterMark: 256 * 1024 })
  }

  /** Forgets what is old and what an upload that broke off left. */
  async collect(now: number): Promise<void> {
    for (const account of await readdir(this.#root)) {
      for (const name of await readdir(join(this.#root, account))) {
        const path = join(this.#root, account, name)
        if (now - (await stat(path)).mtimeMs > keptMs)
          await step('upload.forget', name, () => rm(path, { force: true }))
      }
    }
  }

  #folder(accountId: string): string {
    return join(this.#root, createHash('sha256').update(accountId).digest('hex').slice(0, 32))
  }

  #path(accountId: string, hash: string): string {
    if (!/^[0-9a-f]{64}$/.test(hash))
      throw new WarrenError('invalid_request', 'an upload is named by a SHA-256 checksum of 64 hexadecimal digits')
    return join(this.#folder(accountId), hash)
  }
}
