import { createReadStream, type Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, posix, resolve } from 'node:path'
import { type Files, WarrenError } from '@warren/sdk'
import { text } from '../messages.ts'
import { type CopyOptions, type CopyTally, counted } from './tally.ts'

/** Copies a file or a folder of ours into a sandbox: into `to` if that is a folder there, else as `to`. */
export async function upload(files: Files, from: string, to: string, options: CopyOptions): Promise<CopyTally> {
  const found = await stat(from).catch((cause) => {
    throw new WarrenError('not_found', text.noSuchFile(from), { cause })
  })
  const tally: CopyTally = { files: 0, bytes: 0, skipped: [] }
  const into = to.endsWith('/') || (await isFolder(files, to, options))
  await copyIn(from, found, into ? posix.join(to, basename(resolve(from))) : to)
  return tally

  async function copyIn(local: string, { mode }: Stats, remote: string): Promise<void> {
    const { user, signal, onProgress } = options
    const how = { user, signal, mode: (mode & 0o777).toString(8).padStart(4, '0') }
    if ((mode & fileTypeMask) !== folderType) {
      await files.write(remote, counted(createReadStream(local), tally, onProgress), how)
      tally.files++
      return
    }
    await files.mkdir(remote, how)
    for (const entry of await readdir(local, { withFileTypes: true })) {
      const child = `${local}/${entry.name}`
      if (entry.isFile() || entry.isDirectory()) await copyIn(child, await stat(child), posix.join(remote, entry.name))
      else tally.skipped.push(text.skippedLink(child))
    }
  }
}

const fileTypeMask = 0o170000
const folderType = 0o040000

async function isFolder(files: Files, path: string, { user, signal }: CopyOptions): Promise<boolean> {
  try {
    return (await files.stat(path, { user, signal })).type === 'directory'
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not_found') return false
    throw error
  }
}
