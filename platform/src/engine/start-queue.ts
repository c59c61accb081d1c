/**
 * Lets `width` starts run at once: more would only make all of them slower.
 * Somebody who waits goes before the refilling of the warm pool.
 */
export class StartQueue {
  readonly #width: number
  #running = 0
  readonly #waiting: { urgent: (() => void)[]; background: (() => void)[] } = { urgent: [], background: [] }

  constructor(width: number) {
    this.#width = width
  }

  async run<T>(urgency: 'urgent' | 'background', signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#enter(urgency, signal)
    try {
      return await task()
    } finally {
      this.#running--
      const next = this.#waiting.urgent.shift() ?? this.#waiting.background.shift()
      next?.()
    }
  }

  async #enter(urgency: 'urgent' | 'background', signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#running >= this.#width) {
      const queue = this.#waiting[urgency]
      await new Promise<void>((resolve, reject) => {
        const abort = () => {
          const place = queue.indexOf(enter)
          if (place >= 0) queue.splice(place, 1)
          reject(signal.reason)
        }
        const enter = () => {
          signal.removeEventListener('abort', abort)
          resolve()
        }
        signal.addEventListener('abort', abort, { once: true })
        queue.push(enter)
      })
    }
    this.#running++
  }
}
