import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Files below `folder` that have one of `texts` in them. */
export async function filesWith(folder: string, texts: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const content = await readFile(path).catch(() => undefined)
    if (texts.some((text) => content?.includes(text))) found.push(path)
  }
  return found
}
