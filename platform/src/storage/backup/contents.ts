import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isUnfinished } from '../../lib/atomic-write.ts'

/** Files and folders of the home without which what is in the database cannot be used: keys, seeds, certificates, code. */
export const keptPaths = [
  'admin.key',
  'token.seed',
  'accounts.seed',
  'secrets.key',
  'egress-ca.key',
  'egress-ca.pem',
  'tls',
  'functions/code',
  'experiences',
]

/** Where stands, a line each, what was done and is perhaps not in the database yet. Lines that are in both do no harm. */
export const journalPaths = ['audit.journal', 'functions/ended/0', 'functions/ended/1']

/** What may be large and is taken along only when asked for, and its folder in the home. */
export const largeFolders = {
  volumes: 'volumes',
  snapshots: 'snapshots',
  buckets: 'buckets',
  templates: 'images/layers',
} as const
export type LargeName = keyof typeof largeFolders
export const largeNames = Object.keys(largeFolders) as LargeName[]

/** May be in a home that counts as empty: an operator or the file system put them there. */
export const ignoredNames = ['tools', 'cache', 'lost+found']

/** Of each regular file at or below `path` in `home`, its path in there. */
export async function filesBelow(home: string, path: string): Promise<string[]> {
  const entries = await readdir(join(home, path), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') return undefined
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (!entries) return [path]
  const found: string[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    // Of an atomic write that is under way, or that a crash cut off.
    if (isUnfinished(entry.name)) continue
    if (entry.isDirectory()) found.push(...(await filesBelow(home, join(path, entry.name))))
    else if (entry.isFile()) found.push(join(path, entry.name))
  }
  return found
}
