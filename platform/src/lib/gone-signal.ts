/** Tells when nobody waits for an answer any more. Each `AbortSignal` does that. */
export interface GoneSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** One that costs next to nothing as long as nothing happens: for what is made for each of many requests. */
export class Departure implements GoneSignal {
  #listeners: (() => void)[] = []
  aborted = false
  reason: unknown

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const place = this.#listeners.indexOf(listener)
    if (place >= 0) this.#listeners.splice(place, 1)
  }

  /** They have gone. */
  tell(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }
}
