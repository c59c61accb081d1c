import { GatheredReads } from './gathered-reads.ts'

export interface Versioned<T> {
  version: string
  record: T
}

/** What is asked of whoever has the records. What there is not is left out of an answer. */
interface Questions<T> {
  /** The versions that these have now. */
  versions(ids: string[]): Promise<ReadonlyMap<string, string>>
  /** All of these, each with its version. */
  records(ids: string[]): Promise<ReadonlyMap<string, Versioned<T>>>
}

/**
 * Records by their ids, as they are now: each time the version is asked for, and the record only where that is another one than
 * is remembered. So an answer is as current as one that was read whole, whoever wrote, and costs a small part of it. Of one
 * version everybody gets the same object, which nobody may change.
 */
export class VersionedReads<T extends object> {
  readonly #questions: Questions<T>
  readonly #most: number
  readonly #known = new Map<string, Versioned<T>>()
  readonly #gathered = new GatheredReads<T>((ids) => this.#read(ids))

  /** Remembers `most` records at once; the oldest goes first. */
  constructor(questions: Questions<T>, { most }: { most: number }) {
    this.#questions = questions
    this.#most = most
  }

  get(id: string): Promise<T | undefined> {
    return this.#gathered.get(id)
  }

  /** Those of which somebody has just read the versions, in their order; undefined where one of them is not remembered. */
  remembered(versions: readonly (readonly [id: string, version: string])[]): T[] | undefined {
    const found: T[] = []
    for (const [id, version] of versions) {
      const known = this.#known.get(id)
      if (known?.version !== version) return undefined
      found.push(known.record)
    }
    return found
  }

  /** What somebody has just read. */
  remember(id: string, { version, record }: Versioned<T>): T {
    if (!this.#known.has(id) && this.#known.size >= this.#most) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(id, { version, record: Object.freeze(record) })
    return record
  }

  async #read(ids: string[]): Promise<Map<string, T>> {
    const remembered: string[] = []
    const unknown: string[] = []
    for (const id of ids) (this.#known.has(id) ? remembered : unknown).push(id)
    const [versions, found] = await Promise.all([
      remembered.length > 0 ? this.#questions.versions(remembered) : nothing,
      this.#readWhole(unknown),
    ])
    const changed: string[] = []
    for (const id of remembered) {
      const [version, known] = [versions.get(id), this.#known.get(id)]
      if (version === undefined) this.#known.delete(id)
      else if (known?.version === version) found.set(id, known.record)
      else changed.push(id)
    }
    for (const [id, record] of await this.#readWhole(changed)) found.set(id, record)
    return found
  }

  async #readWhole(ids: string[]): Promise<Map<string, T>> {
    if (ids.length === 0) return new Map()
    const read = await this.#questions.records(ids)
    return new Map(Array.from(read, ([id, one]) => [id, this.remember(id, one)]))
  }
}

const nothing: ReadonlyMap<string, string> = new Map()
