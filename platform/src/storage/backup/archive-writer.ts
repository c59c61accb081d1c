import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { step } from '../../lib/step.ts'
import { syncFolder } from '../../lib/sync-folder.ts'
import { blockSize, encodeHeader } from '../../lib/tar-header.ts'
import type { Part } from './manifest.ts'

/** Writes a tar archive whose entries may be as long as they turn out to be. It gets its name when it is whole. */
export class ArchiveWriter {
  readonly #path: string
  readonly #draft: string
  readonly #file: FileHandle
  #at = 0
  /** Seconds since 1970, of each entry. */
  readonly #mtime: number

  /** Throws `conflict` where `path` is taken, before anything is written. */
  static async create(path: string, now: Date): Promise<ArchiveWriter> {
    await open(path, 'r').then(
      async (file) => {
        await file.close()
        throw taken(path)
      },
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      },
    )
    const draft = `${path}.${randomUUID()}.partial`
    const file = await step('backup.begin', path, () => open(draft, 'wx', 0o600))
    return new ArchiveWriter(path, { draft, file, now })
  }

  private constructor(path: string, { draft, file, now }: { draft: string; file: FileHandle; now: Date }) {
    this.#path = path
    this.#draft = draft
    this.#file = file
    this.#mtime = Math.floor(now.getTime() / 1000)
  }

  async add(name: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Part> {
    const begin = this.#at
    this.#at += blockSize
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of content) {
      hash.update(chunk)
      await this.#write(chunk, this.#at)
      this.#at += chunk.byteLength
      bytes += chunk.byteLength
    }
    this.#at += (blockSize - (bytes % blockSize)) % blockSize
    // Only now is it known how long it is.
    await this.#write(
      encodeHeader({
        path: name,
        mode: 0o600,
        uid: 0,
        gid: 0,
        size: bytes,
        mtime: this.#mtime,
        type: '0',
        linkPath: '',
      }),
      begin,
    )
    return { name, bytes, sha256: hash.digest('hex') }
  }

  /** Answers the length of the archive. */
  async finish(): Promise<number> {
    const length = this.#at + 2 * blockSize
    await step('backup.finish', this.#path, async () => {
      await this.#file.truncate(length)
      await this.#file.sync()
      await this.#file.close()
      // Unlike a rename, a link never replaces what somebody else put there.
      await link(this.#draft, this.#path).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? taken(this.#path) : error
      })
      await rm(this.#draft)
      await syncFolder(dirname(this.#path))
    })
    return length
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {})
    await step('backup.abandon', this.#draft, () => rm(this.#draft, { force: true }))
  }

  async #write(bytes: Uint8Array, at: number): Promise<void> {
    for (let written = 0; written < bytes.byteLength; )
      written += (await this.#file.write(bytes, written, bytes.byteLength - written, at + written)).bytesWritten
  }
}

function taken(path: string): WarrenError {
  return new WarrenError('conflict', `${path} is there already`, { hint: 'Choose another name for the backup.' })
}
