/** Work that is under way and has to be over before its owner is closed. */
export class Pending {
  readonly #work = new Set<Promise<unknown>>()

  /** Answers `work` itself. What it rejects with is its caller's alone. */
  add<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work)
    const over = () => this.#work.delete(work)
    work.then(over, over)
    return work
  }

  /** Resolves when all of it is over, with what was added meanwhile. */
  async over(): Promise<void> {
    while (this.#work.size > 0) await Promise.allSettled(this.#work)
  }
}
