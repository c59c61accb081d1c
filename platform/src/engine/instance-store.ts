import { constants, openSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { WarrenError } from '../errors.ts'
import { atomicWrite } from '../lib/atomic-write.ts'
import { newId } from '../lib/id.ts'
import { isAccessible } from '../lib/is-accessible.ts'
import { step } from '../lib/step.ts'
import {
  type CheckpointToken,
  type InstanceDir,
  type InstanceSpec,
  type Limits,
  type NetworkPlace,
  recordName,
  snapshotParts,
} from './driver.ts'
import { maxSlots } from './host/host.ts'
import { hasLiveKeeper } from './host/keeper.ts'

/** What the engine knows of an instance on disk. Written before the instance exists, removed after it is gone. */
export interface InstanceRecord {
  spec: InstanceSpec
  driver: string
  /** Set while it waits in the warm pool: what it was made for. */
  poolKey?: string
  createdAt: number
}

/** Where the memory of an instance that stands still is: on the disk, where it was, or nowhere, and its files alone are left. */
export const pausedMemories = ['saved', 'resident', 'none'] as const
export type PausedMemory = (typeof pausedMemories)[number]

/** What is on disk of an instance that stands still. */
export interface PausedRecord {
  memory: PausedMemory
  token?: CheckpointToken
  /** What its programs start with, where the agent that knew it was ended. */
  env?: Record<string, string>
  /** It is being brought back: then it may live already. */
  resuming?: true
}

const pausedName = 'paused.json'
const savedName = 'saved'
const claimedName = 'claimed'
/** What stays of the files of an instance whose memory is saved, beside its record. */
export const keptOfPaused = [snapshotParts.disk, savedName, pausedName, claimedName]

/** Folders of instances below one directory, one record each; also hands out the host uid ranges. */
export class InstanceStore {
  readonly #root: string
  readonly #rootFd: number
  readonly #slots = new Set<number>()
  #nextSlot = 0

  private constructor(root: string) {
    this.#root = root
    this.#rootFd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY)
  }

  static async open(root: string): Promise<InstanceStore> {
    await step('home.make', root, () => mkdir(root, { recursive: true, mode: 0o700 }))
    return new InstanceStore(root)
  }

  /** Unix socket paths are limited to 107 bytes and WARREN_HOME is not: name the folder by our open descriptor. */
  dir(id: string): InstanceDir {
    return { path: `${this.#root}/${id}`, socketDir: `/proc/self/fd/${this.#rootFd}/${id}` }
  }

  /** Takes a free uid range. Throws `limit_exceeded` when all are taken. */
  takeSlot(): number {
    for (let tries = 0; tries < maxSlots; tries++) {
      const slot = this.#nextSlot
      this.#nextSlot = (this.#nextSlot + 1) % maxSlots
      if (!this.#slots.has(slot)) {
        this.#slots.add(slot)
        return slot
      }
    }
    throw new WarrenError('limit_exceeded', `all ${maxSlots} host uid ranges are in use`)
  }

  async write(record: InstanceRecord): Promise<InstanceDir> {
    const dir = this.dir(record.spec.id)
    this.#slots.add(record.spec.slot)
    await step('instance.record', record.spec.id, async () => {
      await mkdir(dir.path, { mode: 0o700 })
      const draft = `${dir.path}/${recordName}.draft`
      await writeFile(draft, JSON.stringify(record), { mode: 0o600 })
      await rename(draft, `${dir.path}/${recordName}`)
    })
    return dir
  }

  /** Says that a warm instance now belongs to `owner`, with these limits: after a crash it will not go back to the pool. */
  async markClaimed(id: string, claim: { owner: string; limits: Limits }): Promise<void> {
    const file = `${this.dir(id).path}/${claimedName}`
    // A hundred bytes for the page cache, while somebody waits: a thread to do it takes longer to wake.
    await step('instance.claim', id, async () => writeFileSync(file, JSON.stringify(claim), { mode: 0o600 }))
  }

  /** Says that nobody owns it after all. */
  async unclaim(id: string): Promise<void> {
    await step('instance.unclaim', id, () => rm(`${this.dir(id).path}/${claimedName}`, { force: true }))
  }

  /** The limits an instance was claimed with, which are not those it was started with. */
  async claimedLimits(id: string): Promise<Limits | undefined> {
    const text = await readFile(`${this.dir(id).path}/${claimedName}`, 'utf8').catch(() => undefined)
    try {
      return text === undefined ? undefined : (JSON.parse(text) as { limits: Limits }).limits
    } catch {
      return undefined // cut off by a crash: then its owner never heard of it
    }
  }

  async isClaimed(id: string): Promise<boolean> {
    return isAccessible(`${this.dir(id).path}/${claimedName}`)
  }

  /** Says that it stands still, and where its memory is. Until `clearPaused` a later process leaves it so. */
  async markPaused(id: string, paused: PausedRecord): Promise<void> {
    const file = `${this.dir(id).path}/${pausedName}`
    await step('instance.pause', id, () => atomicWrite(file, JSON.stringify(paused)))
  }

  async paused(id: string): Promise<PausedRecord | undefined> {
    const text = await readFile(`${this.dir(id).path}/${pausedName}`, 'utf8').catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as PausedRecord)
  }

  /** What was saved goes in the background: it is large. */
  async clearPaused(id: string): Promise<void> {
    const stale = `${this.savedPath(id)}.${newId('d')}.draft`
    const wasSaved = await step('instance.unpause', id, async () => {
      await rm(`${this.dir(id).path}/${pausedName}`, { force: true })
      return rename(this.savedPath(id), stale).then(
        () => true,
        () => false,
      )
    })
    const remove = () => rm(stale, { recursive: true, force: true })
    // What stays is removed with the instance, or at the next start.
    if (wasSaved) step('instance.tidy', id, remove).catch(() => {})
  }

  /** Records the network that an instance has from now on, or that it has none. */
  async moveNetwork(id: string, network: NetworkPlace | undefined): Promise<void> {
    const file = `${this.dir(id).path}/${recordName}`
    const { spec, ...record } = JSON.parse(await readFile(file, 'utf8')) as InstanceRecord
    const { network: _, ...rest } = spec
    const moved = { ...record, spec: { ...rest, ...(network && { network }) } }
    await step('instance.record', id, () => atomicWrite(file, JSON.stringify(moved)))
  }

  /**
   * Removes what an earlier process was in the middle of writing or removing: drafts, a copy of the disk that nobody waits
   * for, and a memory that no record names.
   */
  async removeUnfinished(id: string): Promise<void> {
    const { path } = this.dir(id)
    const all = await readdir(path)
    const isUnfinished = (name: string) =>
      /\.(draft|tmp|copy)$/.test(name) || (name === savedName && !all.includes(pausedName))
    const names = all.filter(isUnfinished)
    if (names.length === 0) return
    await step('instance.tidy', id, async () => {
      for (const name of names) await rm(`${path}/${name}`, { recursive: true, force: true })
    })
  }

  /** Where the memory of a paused instance is saved. */
  savedPath(id: string): string {
    return `${this.dir(id).path}/${savedName}`
  }

  async remove(spec: InstanceSpec): Promise<void> {
    await step('instance.forget', spec.id, () => rm(this.dir(spec.id).path, { recursive: true, force: true }))
    this.#slots.delete(spec.slot)
  }

  /**
   * All records. A folder without one is a start that died before its first effect, or what a power cut left: it is
   * removed here. Where something lives nevertheless, it belongs to somebody: throws `unavailable` with the file's name.
   */
  async readAll(): Promise<InstanceRecord[]> {
    const records: InstanceRecord[] = []
    for (const id of await readdir(this.#root)) {
      const file = `${this.#root}/${id}/${recordName}`
      try {
        const record = JSON.parse(await readFile(file, 'utf8')) as InstanceRecord
        this.#slots.add(record.spec.slot)
        records.push(record)
      } catch (cause) {
        if (await hasLiveKeeper(`${this.#root}/${id}`)) {
          throw new WarrenError('unavailable', `the record of a sandbox cannot be read: ${file}`, {
            hint: `Repair the file, or remove the folder to give the sandbox up. (${(cause as Error).message})`,
            cause,
          })
        }
        await step('instance.forget', id, () => rm(`${this.#root}/${id}`, { recursive: true, force: true }))
      }
    }
    return records
  }
}
