import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from './sync-folder.ts'

const unfinished = '.tmp'

/** Whether a name is that of a file that was being written when all ended. */
export function isUnfinished(name: string): boolean {
  return name.endsWith(unfinished)
}

/**
 * Writes a file so that a reader, or a crash at any moment, finds the old content or the new one and never a part.
 * `mode` is what the file has from its first byte on: a secret is never readable for a moment.
 */
export async function atomicWrite(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomUUID()}${unfinished}`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
