import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Found, VectorIndex } from '../vectors/vector-index.ts'
import type { Embedding } from './embed-text.ts'
import { ExperienceLog } from './experience-log.ts'
import type { Experience, LogRecord } from './record-format.ts'
import { TextIndex } from './text-index.ts'

/** The log is written anew when more than half of it is of no use any more, from this size on. */
const leastRewritten = 64 * 1024
/** Indexed without letting others do something. */
const appliedAtOnce = 64
/** So many of the nearest by what they mean are looked at for each that is wanted. */
const lookedAt = 5

export interface Remembered<Data> {
  experience: Experience<Data>
  /** How alike its text is to what was asked, at most 1. */
  score: number
  hasWords: boolean
  /** How alike they are by the vectors of a model, where these have found it. */
  meant?: number
}

interface Asked<Data> {
  accepts?: (experience: Experience<Data>) => boolean
  /** What the text means, in the space of the model. */
  vector?: Float32Array | undefined
}

/**
 * Experiences that are kept in a log on the disk and found by what their texts say. The indexes are made from the log when it is
 * opened. With `space` also by what they mean: those that were given with a vector of that space, which a model makes.
 */
export class ExperienceStore<Data = unknown> {
  /** What opening the log has found: bytes torn off by a crash, bytes that cannot be read. */
  readonly found: { cut: number; damaged: number }
  readonly #log: ExperienceLog
  readonly #embedding: Embedding
  readonly #index: TextIndex
  /** Of the model whose vectors are looked at. */
  readonly #space: string | undefined
  /** Made with the first vector, which tells how many dimensions they have. */
  #meant: VectorIndex | undefined
  readonly #experiences = new Map<string, Experience<Data>>()
  /** By its id the last that is being written. */
  readonly #underWay = new Map<string, LogRecord>()
  #records = 0
  #isTidying = false

  private constructor(
    log: ExperienceLog,
    embedding: Embedding,
    found: { cut: number; damaged: number },
    space?: string,
  ) {
    this.#space = space
    this.#log = log
    this.#embedding = embedding
    this.#index = new TextIndex(embedding)
    this.found = found
  }

  static async open<Data>(path: string, embedding: Embedding, space?: string): Promise<ExperienceStore<Data>> {
    const { log, records, cut, damaged } = await ExperienceLog.open(path)
    const store = new ExperienceStore<Data>(log, embedding, { cut, damaged }, space)
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

  /** Adds what it means, where it is there as it was: not where it was forgotten or is being changed. */
  async give(experience: Experience<Data>, vector: NonNullable<Experience['vector']>): Promise<void> {
    const { id } = experience
    if (this.get(id) === experience && !this.#underWay.has(id)) await this.put({ ...experience, vector })
  }

  /** False when there is none. Its bytes go when the log is written anew. */
  async remove(id: string, at: number): Promise<boolean> {
    if (!this.get(id)) return false
    await this.#append({ removed: id, at })
    return true
  }

  /** The `most` that are like what the text asks, best first. */
  search(text: string, most: number, { accepts = () => true, vector }: Asked<Data> = {}): Remembered<Data>[] {
    const near = this.#near(vector, most * lookedAt).filter(({ id }) => accepts(this.#experiences.get(id)!))
    const likeness = new Map(near.map(({ id, score }) => [id, score]))
    const found = this.#index.search(text, most, {
      accepts: (id) => accepts(this.#experiences.get(id)!),
      meant: near,
    })
    return found.map(({ id, score, hasWords }) => {
      const meant = likeness.get(id)
      return { experience: this.#experiences.get(id)!, score, hasWords, ...(meant !== undefined && { meant }) }
    })
  }

  /** Whether any can be found by what it means. */
  get hasMeanings(): boolean {
    return this.#meant !== undefined && this.#meant.size > 0
  }

  /** The newest that have no vector of the model yet. */
  withoutMeaning(most: number): Experience<Data>[] {
    const lacking: Experience<Data>[] = []
    for (const one of this.all().reverse())
      if (lacking.length < most && one.vector?.space !== this.#space) lacking.push(one)
    return lacking
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  async #append(record: LogRecord): Promise<void> {
    const id = 'put' in record ? record.put.id : record.removed
    this.#underWay.set(id, record)
    try {
      await this.#log.append([record], () => this.#apply(record))
    } finally {
      if (this.#underWay.get(id) === record) this.#underWay.delete(id)
    }
    await this.#tidy()
  }

  #apply(record: LogRecord): void {
    this.#records++
    if ('removed' in record) {
      this.#experiences.delete(record.removed)
      this.#index.remove(record.removed)
      this.#meant?.remove(record.removed)
      return
    }
    const experience = record.put as Experience<Data>
    const { id, text, vector } = experience
    const fits = vector?.space === this.#embedding.space && vector.values.length === this.#embedding.dimensions
    this.#index.add(id, text, fits ? vector.values : undefined)
    this.#mean(experience)
    // What it means may come later: that makes it no newer.
    if (this.#experiences.get(id)?.at !== experience.at) this.#experiences.delete(id)
    this.#experiences.set(id, experience)
  }

  #mean({ id, vector }: Experience): void {
    this.#meant?.remove(id)
    if (!vector || vector.space !== this.#space) return
    const { values } = vector
    // What has no direction, or was damaged on the disk, is found by its words.
    if (!values.every(Number.isFinite) || values.every((value) => value === 0)) return
    this.#meant ??= new VectorIndex(values.length)
    if (values.length === this.#meant.dimensions) this.#meant.add(id, values)
  }

  #near(vector: Float32Array | undefined, most: number): Found[] {
    if (!vector || !this.#meant || vector.length !== this.#meant.dimensions || this.#meant.size === 0) return []
    return this.#meant.search(vector, most)
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
