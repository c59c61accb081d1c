import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { type NewImage, type StoredImage, storedOf } from './images/image.ts'
import type { MessageMode } from './journal/entry.ts'
import type { JournalStore } from './journal/journal-store.ts'
import type { Incoming } from './loop/running.ts'

/** What is said to runs, until it is in their journals: the one writer of this table. */
export class RunInbox {
  readonly #db: Database
  readonly #now: () => Date
  readonly #journal: JournalStore

  constructor({ db, now, journal }: { db: Database; now: () => Date; journal: JournalStore }) {
    this.#db = db
    this.#now = now
    this.#journal = journal
  }

  /** Together with what it shows, or not at all. */
  async add(
    runId: string,
    mode: MessageMode,
    { text, images = [] }: { text: string; images?: readonly NewImage[] },
  ): Promise<void> {
    const shown = storedOf(images).images
    const message = { run_id: runId, id: newId('g'), mode, text, at: this.#now() }
    await step('agent.message', runId, () =>
      this.#db.transaction(async (tx) => {
        await this.#journal.keepImages(tx, runId, images)
        const row = { ...message, images: shown ? JSON.stringify(shown) : null }
        await tx.insertInto('agent_inbox').values(row).execute()
      }),
    )
  }

  /** In the order in which it was said. */
  async of(runId: string): Promise<Incoming[]> {
    const text = 'select id, mode, text, images from agent_inbox where run_id = $1 order by seq'
    const asked = { name: 'agent-inbox', text, values: [runId] }
    const { rows } = await this.#db.pool.query<Incoming & { images: StoredImage[] | null }>(asked)
    return rows.map(({ images, ...row }) => (images ? { ...row, images } : row))
  }

  async forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const query = this.#db.kysely.deleteFrom('agent_inbox').where('id', 'in', [...ids])
    await step('agent.taken', ids[0]!, () => query.execute())
  }
}
