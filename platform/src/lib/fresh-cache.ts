interface Options {
  /** How long an answer is taken for current, counted from before it was asked for. */
  freshMs: number
  /**
   * How long a new answer is waited for before the last one is good enough. It is, too, where asking fails. Without it only
   * current answers are given.
   */
  patienceMs?: number
  /** Answers that are remembered at once; the oldest goes first. */
  most: number
}

interface Entry<T> {
  at: number
  answer: Promise<T | undefined>
  /** What was answered last. */
  last?: { value: T }
  /** It is taking too long to find out anew. */
  overdue?: boolean
}

/** Remembers for a moment what was asked for by a key. Who asks for what is being asked for waits for the same answer. */
export class FreshCache<T> {
  readonly #options: Options
  readonly #entries = new Map<string, Entry<T>>()

  constructor(options: Options) {
    this.#options = options
  }

  /**
   * What `ask` answered at most `freshMs` ago, or answers now. An answer of undefined is not remembered, nor a failure where
   * nothing was known before.
   */
  get(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = this.#entries.get(key)
    if (known?.overdue) return Promise.resolve(known.last?.value)
    const now = performance.now()
    if (known && now - known.at < this.#options.freshMs) return known.answer
    return this.#askAnew(key, ask, now, known?.last)
  }

  forget(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }

  #askAnew(
    key: string,
    ask: () => Promise<T | undefined>,
    now: number,
    last: Entry<T>['last'],
  ): Promise<T | undefined> {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#options.most) this.#entries.delete(this.#entries.keys().next().value!)
    const { patienceMs } = this.#options
    const asked = ask()
    const entry: Entry<T> = { at: now, answer: asked }
    if (last && patienceMs !== undefined) {
      entry.last = last
      entry.answer = this.#notTooLate(entry, asked, last, patienceMs)
    }
    this.#entries.set(key, entry)
    const settled = (value: T | undefined) => {
      if (this.#entries.get(key) !== entry) return
      if (value === undefined) return void this.#entries.delete(key)
      entry.last = { value }
      if (!entry.overdue) return
      entry.overdue = false
      entry.answer = asked
      entry.at = performance.now()
    }
    asked.then(settled, () => {
      if (this.#entries.get(key) !== entry) return
      if (!entry.last || patienceMs === undefined) return void this.#entries.delete(key)
      // Not asked again for each caller: what failed would be waited for once more by everybody.
      entry.overdue = false
      entry.at = performance.now()
      entry.answer = Promise.resolve(entry.last.value)
    })
    return entry.answer
  }

  #notTooLate(entry: Entry<T>, asked: Promise<T | undefined>, last: { value: T }, patienceMs: number) {
    let timer: NodeJS.Timeout
    const late = new Promise<T>((resolve) => {
      timer = setTimeout(() => {
        entry.overdue = true
        resolve(last.value)
      }, patienceMs)
    })
    return Promise.race([asked.catch(() => last.value), late]).finally(() => clearTimeout(timer))
  }
}
