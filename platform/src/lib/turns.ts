/** Lets work on the same thing wait for each other, in the order it was asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  async take<T>(id: string, work: () => T | Promise<T>): Promise<T> {
    const before = this.#last.get(id)
    const mine = (before ?? Promise.resolve()).then(work, work)
    this.#last.set(id, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(id) === mine) this.#last.delete(id)
    }
  }
}
