interface Asked<T> {
  promise: Promise<T | undefined>
  resolve: (value: T | undefined) => void
  reject: (error: unknown) => void
}

/** So many questions are under way at most: one that takes long does not hold up all others. */
const mostUnderWay = 2

/**
 * Many who ask at the same moment ask together: while questions are under way, further ids are gathered for the next. An
 * answer is never older than the asking, for its question begins afterwards. Who is alone does not wait.
 */
export class GatheredReads<T> {
  readonly #read: (ids: string[]) => Promise<ReadonlyMap<string, T>>
  #waiting = new Map<string, Asked<T>>()
  #underWay = 0

  /** `read` answers what it found, by id. What it rejects with goes to all who asked. */
  constructor(read: (ids: string[]) => Promise<ReadonlyMap<string, T>>) {
    this.#read = read
  }

  get(id: string): Promise<T | undefined> {
    let asked = this.#waiting.get(id)
    if (!asked) {
      asked = Promise.withResolvers<T | undefined>()
      this.#waiting.set(id, asked)
      if (this.#underWay < mostUnderWay) void this.#ask()
    }
    return asked.promise
  }

  async #ask(): Promise<void> {
    const all = this.#waiting
    this.#waiting = new Map()
    this.#underWay++
    try {
      const found = await this.#read([...all.keys()])
      for (const [id, { resolve }] of all) resolve(found.get(id))
    } catch (error) {
      for (const { reject } of all.values()) reject(error)
    } finally {
      this.#underWay--
      if (this.#waiting.size > 0) void this.#ask()
    }
  }
}
