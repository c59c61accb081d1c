/** Lets those wait for each other that want the same, in the order in which they came. */
export class ResourceLocks {
  readonly #last = new Map<string, Promise<void>>()

  /** Resolves when all of `names` are free, with what gives them back. */
  async acquire(names: readonly string[]): Promise<() => void> {
    if (names.length === 0) return () => {}
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = names.map((name) => this.#last.get(name))
    for (const name of names) this.#last.set(name, promise)
    await Promise.all(before)
    return resolve
  }
}
