export type Urgency = 'urgent' | 'background'

/**
 * Lets `width` starts run at once: more would only make all of them slower. Somebody who waits goes before the refilling
 * of the warm pool, which takes a quarter of the places at most.
 */
export class StartQueue {
  readonly #places: Record<Urgency, number>
  readonly #running: Record<Urgency, number> = { urgent: 0, background: 0 }
  readonly #waiting: Record<Urgency, (() => void)[]> = { urgent: [], background: [] }

  constructor(width: number) {
    this.#places = { urgent: width, background: Math.max(1, Math.floor(width / 4)) }
  }

  /** Starts that wait for a place, of somebody who waits for them and of the warm pool. */
  get waiting(): Record<Urgency, number> {
    return { urgent: this.#waiting.urgent.length, background: this.#waiting.background.length }
  }

  async run<T>(urgency: Urgency, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#enter(urgency, signal)
    try {
      return await task()
    } finally {
      this.#running[urgency]--
      this.#admit()
    }
  }

  async #enter(urgency: Urgency, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const queue = this.#waiting[urgency]
    const abort = () => {
      const place = queue.indexOf(resolve)
      if (place < 0) return
      queue.splice(place, 1)
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    queue.push(resolve)
    this.#admit()
    await promise.finally(() => signal.removeEventListener('abort', abort))
  }

  #admit(): void {
    for (const urgency of ['urgent', 'background'] as const) {
      const isFree = () =>
        this.#running.urgent + this.#running.background < this.#places.urgent &&
        this.#running[urgency] < this.#places[urgency]
      while (isFree()) {
        const enter = this.#waiting[urgency].shift()
        if (!enter) break
        this.#running[urgency]++
        enter()
      }
    }
  }
}
