interface Due {
  /** By `performance.now()`. */
  until: number
}

/** Tells of what is not over in time, by one timer for all: most is over long before, and a timer for each would cost more than it. */
export class Deadlines<Id> {
  readonly #under: ReadonlyMap<Id, Due>
  readonly #onLate: (id: Id) => void
  #timer: NodeJS.Timeout | undefined
  #at = Number.POSITIVE_INFINITY

  /** `under` has what is under way. `onLate` is told of each once it is late, and takes it out or gives it another time. */
  constructor(under: ReadonlyMap<Id, Due>, onLate: (id: Id) => void) {
    this.#under = under
    this.#onLate = onLate
  }

  /** Something is due by then that is in the map. */
  add({ until }: Due): void {
    if (until >= this.#at) return
    clearTimeout(this.#timer)
    this.#at = until
    this.#timer = setTimeout(() => this.#look(), Math.max(0, Math.ceil(until - performance.now())))
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#at = Number.POSITIVE_INFINITY
  }

  #look(): void {
    this.#at = Number.POSITIVE_INFINITY
    const now = performance.now()
    const late = [...this.#under].flatMap(([id, { until }]) => (until <= now ? [id] : []))
    for (const id of late) this.#onLate(id)
    for (const due of this.#under.values()) if (due.until > now) this.add(due)
  }
}
