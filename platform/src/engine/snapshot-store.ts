import { createHash } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { absentIsFine } from '../lib/absent-is-fine.ts'
import { atomicWrite } from '../lib/atomic-write.ts'
import { isAccessible } from '../lib/is-accessible.ts'
import { step } from '../lib/step.ts'
import { readManifest, refused, type SnapshotManifest } from './snapshot-manifest.ts'

/** Parts up to this size are checked by their content, bytes: what is larger would have to be read twice. */
const smallBytes = 4 * 1024 * 1024
const manifestName = 'manifest.json'
const draftEnding = '.draft'

/** Folders of snapshots below one directory. One that ends in `.draft` is in the making and of no use. */
export class SnapshotStore {
  readonly #root: string

  private constructor(root: string) {
    this.#root = root
  }

  /** Removes what was in the making when an earlier process ended. */
  static async open(root: string): Promise<SnapshotStore> {
    await step('home.make', root, () => mkdir(root, { recursive: true, mode: 0o700 }))
    const store = new SnapshotStore(root)
    for (const name of await readdir(root))
      if (name.endsWith(draftEnding))
        await step('snapshot.discard', name, () => rm(join(root, name), { recursive: true }))
    return store
  }

  path(id: string): string {
    return join(this.#root, id)
  }

  draftPath(id: string): string {
    return this.path(id) + draftEnding
  }

  /** An empty folder to fill; `commit` makes a snapshot of it, `discard` removes it. */
  async draft(id: string): Promise<string> {
    const path = this.draftPath(id)
    await step('snapshot.draft', id, () => mkdir(path, { mode: 0o700 }))
    return path
  }

  async discard(id: string): Promise<void> {
    await step('snapshot.discard', id, () => rm(this.draftPath(id), { recursive: true, force: true }))
  }

  /** As `discard`, for who does not wait. What fails is removed at the next start. */
  discardSoon(id: string): void {
    this.discard(id).catch(() => {})
  }

  /** From here on the snapshot exists, whole. */
  async commit(manifest: SnapshotManifest): Promise<void> {
    const path = this.path(manifest.id)
    await step('snapshot.commit', manifest.id, async () => {
      await atomicWrite(join(path + draftEnding, manifestName), JSON.stringify(manifest))
      await rename(path + draftEnding, path)
    })
  }

  /** The files of a folder as its manifest lists them. */
  async measure(path: string): Promise<SnapshotManifest['parts']> {
    const names = await readdir(path, { recursive: true, withFileTypes: true })
    const files = names.filter((entry) => isPart(entry) && entry.name !== manifestName)
    return Promise.all(
      files.map(async (entry) => {
        const file = join(entry.parentPath, entry.name)
        const { size } = await stat(file)
        const name = file.slice(path.length + 1)
        return size > smallBytes ? { name, size } : { name, size, sha256: await checksum(file) }
      }),
    )
  }

  /** Throws `not_found`, or `invalid_request` with the reason when it is not whole or not to be understood. */
  async read(id: string): Promise<SnapshotManifest> {
    const path = this.path(id)
    const text = await readFile(join(path, manifestName), 'utf8').catch((cause) => {
      throw new WarrenError('not_found', `the files of snapshot ${id} are not there`, { cause })
    })
    const manifest = readManifest(text)
    await this.check(path, manifest)
    return manifest
  }

  /** Throws `invalid_request` where a part in the folder is not as the manifest says. */
  async check(path: string, manifest: SnapshotManifest): Promise<void> {
    const found = new Map((await this.measure(path)).map((part) => [part.name, part]))
    for (const { name, size, sha256 } of manifest.parts) {
      const part = found.get(name)
      if (part?.size !== size)
        throw refused(part ? `${name} holds ${part.size} bytes of ${size}: it was cut off` : `${name} is missing`)
      if (sha256 !== undefined && sha256 !== part.sha256) throw refused(`${name} has been changed`)
    }
  }

  /** The bytes it takes on the disk, which is less than its parts are long. */
  async diskBytes(id: string): Promise<number> {
    const entries = await readdir(this.path(id), { recursive: true, withFileTypes: true })
    const files = entries.filter(isPart)
    const stats = await Promise.all(files.map((entry) => stat(join(entry.parentPath, entry.name))))
    return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0)
  }

  async remove(id: string): Promise<void> {
    // No longer a snapshot before its files go one by one.
    await step('snapshot.remove', id, () => rename(this.path(id), this.draftPath(id)).catch(absentIsFine))
    await this.discard(id)
  }

  /** Of which templates there are snapshots. One that cannot be read is of none. */
  async templates(): Promise<string[]> {
    const found: string[] = []
    for (const id of await this.list()) {
      const manifest = await this.read(id).catch(() => undefined)
      if (manifest) found.push(manifest.template)
    }
    return found
  }

  has(id: string): Promise<boolean> {
    return isAccessible(this.path(id))
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#root)).filter((name) => !name.endsWith(draftEnding))
  }
}

/** What begins with a dot is a driver's, means something on this host alone, and takes no room of its own. */
function isPart(entry: Dirent): boolean {
  return entry.isFile() && !entry.name.startsWith('.')
}

async function checksum(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}
