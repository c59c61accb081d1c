import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Embedding } from './embed-text.ts'
import { ExperienceLog } from './experience-log.ts'
import type { Experience, LogRecord } from './record-format.ts'
import { TextIndex } from './text-index.ts'

/** The log is written anew when more than half of it is of no use any more, from this size on. */
const leastRewritten = 64 * 1024
/** Indexed without letting others do something. */
const appliedAtOnce = 64

export interface Remembered<Data> {
  experience: Experience<Data>
  /** How alike its text is to what was asked, at most 1. */
  score: number
  hasWords: boolean
}

/**
 * Experiences that are kept in a log on the disk and found by what their texts say. The indexes are made from the log when it is
 * opened: vectors that were given with their space are used as they are, those of another space are computed anew.
 */
export class ExperienceStore<Data = unknown> {
  /** What opening the log has found: bytes torn off by a crash, bytes that cannot be read. */
  readonly found: { cut: number; damaged: number }
  readonly #log: ExperienceLog
  readonly #embedding: Embedding
  readonly #index: TextIndex
  readonly #experiences = new Map<string, Experience<Data>>()
  #records = 0
  #isTidying = false

  private constructor(log: ExperienceLog, embedding: Embedding, found: { cut: number; damaged: number }) {
    this.#log = log
    this.#embedding = embedding
    this.#index = new TextIndex(embedding)
    this.found = found
  }

  static async open<Data>(path: string, embedding: Embedding): Promise<ExperienceStore<Data>> {
    const { log, records, cut, damaged } = await ExperienceLog.open(path)
    const store = new ExperienceStore<Data>(log, embedding, { cut, damaged })
    for (const [index, record] of records.entries()) {
      store.#apply(record)
      // Each takes a moment, and there may be thousands.
      if (index % appliedAtOnce === appliedAtOnce - 1) await nextTurn()
    }
    await store.#tidy()
    return store
  }

  get size(): number {
    return this.#experiences.size
  }

  get bytes(): number {
    return this.#log.size
  }

  get(id: string): Experience<Data> | undefined {
    return this.#experiences.get(id)
  }

  get oldest(): Experience<Data> | undefined {
    return this.#experiences.values().next().value
  }

  /** Newest last. */
  all(): Experience<Data>[] {
    return [...this.#experiences.values()]
  }

  /** Keeps it, also in the place of one with its id. When this resolves it is on the disk and is found. */
  async put(experience: Experience<Data>): Promise<void> {
    await this.#append({ put: experience })
  }

  /** False when there is none. Its bytes go when the log is written anew. */
  async remove(id: string, at: number): Promise<boolean> {
    if (!this.get(id)) return false
    await this.#append({ removed: id, at })
    return true
  }

  /** The `most` that are like what the text asks, best first. */
  search(
    text: string,
    most: number,
    accepts: (experience: Experience<Data>) => boolean = () => true,
  ): Remembered<Data>[] {
    const found = this.#index.search(text, most, { accepts: (id) => accepts(this.#experiences.get(id)!) })
    return found.map(({ id, score, hasWords }) => ({ experience: this.#experiences.get(id)!, score, hasWords }))
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  async #append(record: LogRecord): Promise<void> {
    await this.#log.append([record], () => this.#apply(record))
    await this.#tidy()
  }

  #apply(record: LogRecord): void {
    this.#records++
    if ('removed' in record) {
      this.#experiences.delete(record.removed)
      this.#index.remove(record.removed)
      return
    }
    const experience = record.put as Experience<Data>
    const { id, text, vector } = experience
    const fits = vector?.space === this.#embedding.space && vector.values.length === this.#embedding.dimensions
    this.#index.add(id, text, fits ? vector.values : undefined)
    this.#experiences.delete(id)
    this.#experiences.set(id, experience)
  }

  async #tidy(): Promise<void> {
    if (this.#isTidying || this.bytes < leastRewritten || this.#records < 2 * this.size) return
    this.#isTidying = true
    const current = () => {
      this.#records = this.size
      return this.all().map((put) => ({ put }))
    }
    // What was asked for is on the disk already. It is tried again when as much has been added as is there.
    await this.#log.rewrite(current).catch(() => {})
    this.#isTidying = false
  }
}
