import { Pending } from '../lib/pending.ts'
import type { EngineDeps } from './engine-deps.ts'

/** Pause before what could not be removed is tried again; doubles up to the longest, milliseconds. */
const retryMs = { shortest: 500, longest: 30_000 }

/** What of instances is still to be removed: tried at once, and again later for as long as it fails. */
export class Remains {
  readonly #log: EngineDeps['log']
  readonly #later = new Map<string, NodeJS.Timeout>()
  readonly #now = new Pending()

  constructor(log: EngineDeps['log']) {
    this.#log = log
  }

  /** Removes the instance `id` by `removal`, which may be called several times. Never rejects. */
  async clear(id: string, removal: () => Promise<void>, pauseMs = retryMs.shortest): Promise<void> {
    if (this.#later.has(id)) return
    await this.#now.add(this.#clear(id, removal, pauseMs))
  }

  /** Tries no more once what is being removed is gone or failed: the next start finds what is left. */
  async close(): Promise<void> {
    await this.#now.over()
    for (const timer of this.#later.values()) clearTimeout(timer)
  }

  async #clear(id: string, removal: () => Promise<void>, pauseMs: number): Promise<void> {
    try {
      await removal()
    } catch (error) {
      this.#log.warn({ err: error, instance: id }, 'remains of a sandbox could not be removed; tried again later')
      const again = () => {
        this.#later.delete(id)
        void this.clear(id, removal, Math.min(2 * pauseMs, retryMs.longest))
      }
      this.#later.set(id, setTimeout(again, pauseMs).unref())
    }
  }
}

/** A crash between removing a record and its control group leaves the group: it belongs to nobody. */
export async function removeStrayGroups({ cgroups, store }: Pick<EngineDeps, 'cgroups' | 'store'>): Promise<void> {
  if (!cgroups) return
  // In this order: a record is there before its group is.
  const groups = await cgroups.list()
  const known = new Set((await store.readAll()).map((record) => record.spec.id))
  for (const id of groups) if (!known.has(id)) await cgroups.remove(id)
}
