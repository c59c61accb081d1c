import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { WarrenError } from '../../errors.ts'
import { blockSize, decodeHeader } from '../../lib/tar-header.ts'

const chunkBytes = 256 * 1024

/** An archive that lies open: what is in it by name, each readable by itself. */
export class ArchiveReader {
  readonly #file: FileHandle
  readonly #entries: Map<string, { offset: number; size: number }>

  /** Throws `invalid_request` for what is no archive or is cut off, `not_found` where there is nothing. */
  static async open(path: string): Promise<ArchiveReader> {
    const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') throw new WarrenError('not_found', `there is no ${path}`, { cause })
      throw cause
    })
    try {
      return new ArchiveReader(file, await entriesOf(file))
    } catch (error) {
      await file.close()
      if (error instanceof WarrenError || (error as NodeJS.ErrnoException).code) throw error
      throw new WarrenError('invalid_request', `${path} ${(error as Error).message}`)
    }
  }

  private constructor(file: FileHandle, entries: Map<string, { offset: number; size: number }>) {
    this.#file = file
    this.#entries = entries
  }

  get names(): string[] {
    return [...this.#entries.keys()]
  }

  /** Throws `invalid_request` where there is none of that name. */
  stream(name: string): Readable {
    const entry = this.#entries.get(name)
    if (!entry) throw new WarrenError('invalid_request', `the backup has no ${name}`)
    return Readable.from(this.#chunks(entry), { objectMode: false })
  }

  /** All of an entry that is small. */
  async read(name: string): Promise<Buffer> {
    return Buffer.concat(await this.stream(name).toArray())
  }

  async *#chunks({ offset, size }: { offset: number; size: number }): AsyncGenerator<Buffer> {
    for (let done = 0; done < size; ) {
      const chunk = Buffer.alloc(Math.min(chunkBytes, size - done))
      const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, offset + done)
      if (bytesRead === 0) throw new WarrenError('invalid_request', 'the backup was cut off while it was read')
      yield chunk.subarray(0, bytesRead)
      done += bytesRead
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Throws, as the end of a sentence, where it does not hold together. */
async function entriesOf(file: FileHandle): Promise<Map<string, { offset: number; size: number }>> {
  const { size: length } = await file.stat()
  const entries = new Map<string, { offset: number; size: number }>()
  const block = Buffer.alloc(blockSize)
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(block, 0, blockSize, at)
    if (bytesRead < blockSize) throw new Error('is cut off')
    if (block.every((byte) => byte === 0)) return entries
    const { path, size, type } = decodeHeader(block)
    if (type !== '0' || entries.has(path)) throw new Error('is no backup of Warren')
    const offset = at + blockSize
    if (offset + size > length) throw new Error('is cut off')
    entries.set(path, { offset, size })
    at = offset + Math.ceil(size / blockSize) * blockSize
  }
}
