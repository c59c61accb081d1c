import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { WarrenError } from '@warren/sdk'
import { endOfArchive, headerBlocks, padding } from '../../../platform/src/templates/archive/tar-writer.ts'
import { text } from '../messages.ts'
import type { ContextEntry } from './list-context.ts'

/** The same for the same names, modes and contents, whenever and wherever they were written. */
export async function hashFiles(folder: string, entries: ContextEntry[]): Promise<string> {
  const hash = createHash('sha256')
  for (const { path, kind, mode, size, target } of entries) {
    hash.update(JSON.stringify([path, kind, kind === 'link' ? 0 : mode, size, target]))
    if (kind === 'file') for await (const chunk of content(folder, path, size)) hash.update(chunk)
  }
  return hash.digest('hex')
}

/** A tar.gz of these files, made as it is read. `onProgress` is told how many bytes of them have been read. */
export function packFiles(
  folder: string,
  entries: ContextEntry[],
  onProgress: (bytes: number) => void = () => {},
): Readable {
  const packed = Readable.from(archive(folder, entries, onProgress)).on('error', (error) => gzip.destroy(error))
  const gzip = createGzip({ level: 6 })
  return packed.pipe(gzip)
}

export function bytesOf(entries: ContextEntry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0)
}

async function* archive(folder: string, entries: ContextEntry[], onProgress: (bytes: number) => void) {
  let bytes = 0
  for (const { path, kind, mode, size, mtime, target } of entries) {
    const latin1 = (name: string) => Buffer.from(name).toString('latin1')
    const type = { file: '0', folder: '5', link: '2' }[kind]
    const name = latin1(kind === 'folder' ? `${path}/` : path)
    yield headerBlocks({ path: name, mode, uid: 0, gid: 0, size, mtime, type, linkPath: latin1(target) })
    if (kind !== 'file') continue
    for await (const chunk of content(folder, path, size)) {
      bytes += chunk.length
      onProgress(bytes)
      yield chunk
    }
    yield padding(size)
  }
  yield endOfArchive
}

/** Exactly so many bytes, as the header says. */
async function* content(folder: string, path: string, size: number): AsyncGenerator<Buffer> {
  let read = 0
  if (size > 0) {
    for await (const chunk of createReadStream(join(folder, path), { end: size - 1, highWaterMark: 256 * 1024 })) {
      read += chunk.length
      yield chunk as Buffer
    }
  }
  if (read !== size) throw new WarrenError('conflict', text.changedWhilePacked(path))
}
