import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { step } from '../../lib/step.ts'
import { syncFolder } from '../../lib/sync-folder.ts'
import type { Contents } from '../contents.ts'

/** Content as files below `folder`, spread over folders so that none gets too full. */
export function diskContents(folder: string): Contents {
  const pathOf = (name: string) => join(folder, name.slice(1, 3), name)
  return {
    description: `files in ${folder}`,
    write: (name, source) => step('object.write', name, () => write(pathOf(name), source)),
    read: async (name, { offset, length }) => {
      const file = await unlessMissing(open(pathOf(name), 'r'))
      return file && streamOf(file, offset, length)
    },
    remove: (name) => step('object.erase', name, () => rm(pathOf(name), { force: true })),
  }
}

async function write(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const file = (await unlessMissing(open(path, 'wx', 0o600))) ?? (await inNewFolder(path))
  try {
    await file.writeFile(source)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
}

async function inNewFolder(path: string): Promise<FileHandle> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await syncFolder(dirname(folder))
  return open(path, 'wx', 0o600)
}

async function streamOf(file: FileHandle, offset: number, length: number): Promise<Readable> {
  // An empty part cannot be said with `end`, which is the last byte.
  if (length > 0) return createReadStream('', { fd: file, start: offset, end: offset + length - 1 })
  await file.close()
  return Readable.from([])
}

async function unlessMissing(opening: Promise<FileHandle>): Promise<FileHandle | undefined> {
  try {
    return await opening
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
