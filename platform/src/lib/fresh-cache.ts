interface Options {
  /** How long an answer is taken for current, counted from before it was asked for. */
  freshMs: number
  /** Answers that are remembered at once; the oldest goes first. */
  most: number
}

/** Remembers for a moment what was asked for by a key. Who asks for what is being asked for waits for the same answer. */
export class FreshCache<T> {
  readonly #options: Options
  readonly #entries = new Map<string, { at: number; answer: Promise<T | undefined> }>()

  constructor(options: Options) {
    this.#options = options
  }

  /** What `ask` answered at most `freshMs` ago, or answers now. An answer of undefined and a failure are not remembered. */
  get(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const now = performance.now()
    const known = this.#entries.get(key)
    if (known && now - known.at < this.#options.freshMs) return known.answer
    this.#entries.delete(key)
    if (this.#entries.size >= this.#options.most) this.#entries.delete(this.#entries.keys().next().value!)
    const entry = { at: now, answer: ask() }
    this.#entries.set(key, entry)
    const drop = () => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    }
    entry.answer.then((answer) => answer === undefined && drop(), drop)
    return entry.answer
  }

  forget(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
