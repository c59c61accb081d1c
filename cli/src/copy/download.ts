import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { FileStat, Files } from '@warren/sdk'
import { text } from '../messages.ts'
import { type CopyOptions, type CopyTally, counted } from './tally.ts'

/** Copies a file or a folder out of a sandbox: into `to` if that is a folder here, else as `to`. */
export async function download(files: Files, from: string, to: string, options: CopyOptions): Promise<CopyTally> {
  const { user, signal, onProgress } = options
  const tally: CopyTally = { files: 0, bytes: 0, skipped: [] }
  const found = await files.stat(from, { user, signal })
  const into = to.endsWith('/') || (await isFolder(to))
  await copyOut(from, found, into ? join(to, posix.basename(found.path)) : to)
  return tally

  async function copyOut(remote: string, { type, mode }: FileStat, local: string): Promise<void> {
    if (type === 'file') {
      await replace(local, await files.readStream(remote, { user, signal }), Number.parseInt(mode, 8) & 0o777)
      tally.files++
    } else if (type === 'directory') {
      await mkdir(local, { recursive: true })
      for (const entry of await files.list(remote, { user, signal })) await copyEntry(remote, entry, local)
    } else tally.skipped.push(text.skippedLink(remote))
  }

  async function copyEntry(folder: string, entry: FileStat, local: string): Promise<void> {
    const path = posix.join(folder, entry.name)
    // The names come from the sandbox, which may want to write elsewhere on this machine.
    if (isPlainName(entry.name)) await copyOut(path, entry, join(local, entry.name))
    else tally.skipped.push(text.skippedName(path))
  }

  /** Written beside and renamed over, so that there is never half a file. Nothing is written through a link. */
  async function replace(path: string, source: ReadableStream<Uint8Array>, mode: number): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    const draft = `${path}.${randomBytes(6).toString('hex')}`
    try {
      await pipeline(counted(source, tally, onProgress), createWriteStream(draft, { mode, flags: 'wx' }), { signal })
      await rename(draft, path)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
  }
}

export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
