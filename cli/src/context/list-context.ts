import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Ignore, parseIgnore } from './ignore.ts'

/** Something in the folder of a build that can be copied. */
export interface ContextEntry {
  /** With "/" between names. */
  path: string
  kind: 'file' | 'folder' | 'link'
  mode: number
  size: number
  mtime: number
  /** Of a link. */
  target: string
}

/**
 * Everything in a folder that its `.dockerignore` does not leave out, sorted by path. A `<Dockerfile>.dockerignore` goes
 * before. Links stay links; sockets, pipes and devices are left out.
 */
export async function listContext(folder: string, dockerfile = 'Dockerfile'): Promise<ContextEntry[]> {
  // Throws for what is no folder.
  await readdir(folder)
  const ignore = parseIgnore(await firstOf(join(folder, `${dockerfile}.dockerignore`), join(folder, '.dockerignore')))
  const found: ContextEntry[] = []
  await walk(folder, '', ignore, found)
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function walk(folder: string, below: string, ignore: Ignore, found: ContextEntry[]): Promise<void> {
  for (const name of await readdir(join(folder, below))) {
    const path = below ? `${below}/${name}` : name
    const ignored = ignore.isIgnored(path)
    if (ignored && !ignore.hasExceptions) continue
    const { mode, size, mtimeMs, ...is } = await describe(join(folder, path))
    if (is.kind === undefined) continue
    const entry = { path, mode: mode & 0o777, mtime: Math.floor(mtimeMs / 1000), target: is.target, kind: is.kind }
    if (!ignored) found.push({ ...entry, size: is.kind === 'file' ? size : 0 })
    if (is.kind === 'folder') await walk(folder, path, ignore, found)
  }
}

async function describe(path: string) {
  const status = await lstat(path)
  const kind = status.isFile() ? 'file' : status.isDirectory() ? 'folder' : status.isSymbolicLink() ? 'link' : undefined
  const target = kind === 'link' ? await readlink(path) : ''
  return { kind, target, mode: status.mode, size: status.size, mtimeMs: status.mtimeMs } as const
}

async function firstOf(...paths: string[]): Promise<string> {
  for (const path of paths) if (await stat(path).catch(() => undefined)) return readFile(path, 'utf8')
  return ''
}
