import { createHash } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { newId } from '../../../lib/id.ts'
import { isAccessible } from '../../../lib/is-accessible.ts'
import { HeldMemory } from './held-memory.ts'
import { takeOver } from './saved-machine.ts'
import type { SavedMachine } from './vmm.ts'

/** Sizes of machines that are kept saved. Each takes what a booted guest has written to its memory, some 80 MiB. */
const mostTemplates = 8
const prefix = 'microvm-'
const savedFiles = ['state', 'ram', 'disk'] as const

/** A machine that was saved right after it had booted: every sandbox of its size starts as a copy of it. */
export interface Template extends SavedMachine {
  disk: string
}

type Make = (take: (savedFolder: string) => Promise<void>) => Promise<void>

/** Saved machines below one folder, made when first asked for. */
export class Templates {
  readonly #folder: string
  readonly #guestBinary: string
  readonly #making = new Map<string, Promise<void>>()
  readonly #held = new Map<string, HeldMemory>()

  constructor(folder: string, guestBinary: string) {
    this.#folder = folder
    this.#guestBinary = guestBinary
  }

  /**
   * The template of everything in `origin`: another kernel, binary or size is another template. `make` boots a machine, saves
   * it and hands the folder that holds the files to its argument; it is called by one of those who wait.
   */
  async get(origin: unknown, make: Make): Promise<Template> {
    const name = `${prefix}${createHash('sha256').update(JSON.stringify(origin)).digest('hex').slice(0, 16)}`
    const folder = join(this.#folder, name)
    while (!(await isAccessible(folder))) {
      const making = this.#making.get(name)
      // Somebody else's attempt may fail for reasons of theirs.
      if (making !== undefined) await making.catch(() => {})
      else {
        const own = this.#make(folder, make).finally(() => this.#making.delete(name))
        this.#making.set(name, own)
        await own
      }
    }
    let held = this.#held.get(name)
    if (!held?.alive) {
      held = new HeldMemory(this.#guestBinary, join(folder, 'ram'))
      this.#held.set(name, held)
    }
    await utimes(folder, new Date(), new Date())
    return { statePath: join(folder, 'state'), disk: join(folder, 'disk'), heldMemory: await held.place() }
  }

  /** Removes a template that does not start: the next one is booted anew. */
  async forget({ statePath }: Template): Promise<void> {
    const folder = join(statePath, '..')
    this.#release(folder)
    await rm(folder, { recursive: true, force: true })
  }

  async #make(folder: string, make: Make): Promise<void> {
    const draft = `${folder}.${newId('d')}.draft`
    await mkdir(draft, { mode: 0o700 })
    try {
      await make(async (saved) => {
        for (const name of savedFiles) {
          await takeOver(join(saved, name), join(draft, name))
        }
      })
      await this.#makeRoom()
      await rename(draft, folder)
    } finally {
      await rm(draft, { recursive: true, force: true })
    }
  }

  /** Those that were not used for the longest time go. Machines that run are not touched by it. */
  async #makeRoom(): Promise<void> {
    const names = (await readdir(this.#folder)).filter((name) => name.startsWith(prefix) && !name.includes('.'))
    const used = await Promise.all(
      names.map(async (name) => ({
        path: join(this.#folder, name),
        at: (await stat(join(this.#folder, name))).mtimeMs,
      })),
    )
    used.sort((a, b) => b.at - a.at)
    for (const { path } of used.slice(mostTemplates - 1)) {
      this.#release(path)
      await rm(path, { recursive: true, force: true })
    }
  }

  #release(folder: string): void {
    const name = folder.slice(this.#folder.length + 1)
    this.#held.get(name)?.release()
    this.#held.delete(name)
  }
}
