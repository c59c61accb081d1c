import type { IncomingMessage, ServerResponse } from 'node:http'
import { WarrenError } from '../../errors.ts'

/** The end of a server in good order: what runs is finished, what comes in is sent away, streams are told. */
export class Drain {
  readonly #stopping = new AbortController()
  readonly #running = new Set<object>()
  #emptied: (() => void) | undefined

  /** Aborts when the platform begins to stop. Streams that have no end of their own end with it. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** A request that has come in; it runs until its answer is closed. */
  track(request: IncomingMessage, response: ServerResponse): void {
    this.enter(response)
    // Node takes eleven who wait for the end of one for a leak: here they are the parts of the edge that it passed.
    response.setMaxListeners(20)
    response.once('close', () => this.leave(response))
    // The connection is not used again. HTTP/2 has no such header.
    if (this.stopping.aborted && request.httpVersionMajor < 2) response.setHeader('connection', 'close')
  }

  /** An answer that is about to be given, until it leaves. */
  enter(answer: object): void {
    this.#running.add(answer)
  }

  leave(answer: object): void {
    this.#running.delete(answer)
    if (this.#running.size === 0) this.#emptied?.()
  }

  /** Throws `unavailable` when the platform stops. */
  check(): void {
    if (this.stopping.aborted) throw stops()
  }

  /** Resolves when the last request is answered, or after `mostMs`. */
  async begin(mostMs: number): Promise<void> {
    this.#stopping.abort(stops())
    if (this.#running.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, mostMs)
      this.#emptied = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function stops(): WarrenError {
  return new WarrenError('unavailable', 'the platform is draining: it stops; sandboxes live on', {
    hint: 'Ask again in a moment, or another node.',
    details: { retryAfterSeconds: 1 },
  })
}
