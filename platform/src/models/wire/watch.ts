import type { ModelFailure } from '../model.ts'

/** Ends the wait for a vendor: when the caller gives up, or when nothing came for too long. */
export class Watch {
  readonly #controller = new AbortController()
  readonly #ended = Promise.withResolvers<never>()
  readonly #idleMs: number
  readonly #caller: AbortSignal | undefined
  readonly #onAbort = () => this.#end('cancelled')
  #released = false
  #timer: NodeJS.Timeout | undefined
  #reason: 'cancelled' | 'timeout' | undefined

  constructor(idleMs: number, caller: AbortSignal | undefined) {
    this.#idleMs = idleMs
    this.#caller = caller
    this.#ended.promise.catch(() => {})
    if (caller?.aborted) this.#end('cancelled')
    else caller?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get cancelled(): boolean {
    return this.#reason === 'cancelled'
  }

  /** `promise`, unless the wait ends first. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => {})
    if (this.#reason) return this.#ended.promise
    this.#timer = setTimeout(() => this.#end('timeout'), this.#idleMs)
    try {
      return await Promise.race([promise, this.#ended.promise])
    } finally {
      clearTimeout(this.#timer)
    }
  }

  /** The answer is whole: its connection may live on. */
  release(): void {
    this.#released = true
  }

  close(): void {
    if (!this.#released) this.#controller.abort()
    clearTimeout(this.#timer)
    this.#caller?.removeEventListener('abort', this.#onAbort)
  }

  failureOf(error: unknown): ModelFailure {
    if (this.#reason === 'cancelled') return { code: 'cancelled', message: 'the caller gave up' }
    if (this.#reason === 'timeout')
      return { code: 'timeout', message: `nothing came from the vendor for ${this.#idleMs / 1000} s` }
    return { code: 'network', message: reasonOf(error) }
  }

  #end(reason: 'cancelled' | 'timeout'): void {
    this.#reason ??= reason
    this.#controller.abort()
    this.#ended.reject(new Error(reason))
  }
}

/** fetch says no more than "fetch failed": its cause tells. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError && cause.errors[0]) return reasonOf(cause.errors[0])
  if (cause instanceof Error) return `${error.message}: ${cause.message}`
  return error.message
}
