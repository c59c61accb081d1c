import { open } from 'node:fs/promises'

/** A name that was made, changed or removed lasts over a power cut only once the folder itself is on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
