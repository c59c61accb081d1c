import { Pending } from '../lib/pending.ts'
import type { Hold } from './driver.ts'
import type { Instance } from './instance.ts'

interface PreparedStartsDeps {
  /** Told of every one that failed. */
  onFailure: (error: unknown) => void
}

/** Begins a start that waits for `hold`. Once it is aborted, nothing may be left of it when it rejects. */
export type BeginStart = (hold: Hold, signal: AbortSignal) => Promise<Instance>

interface PreparedStart {
  instance: Promise<Instance>
  isReady: boolean
  release: () => void
  giveUp: AbortController
  timer?: NodeJS.Timeout
}

/** Longest that one waits to be used, milliseconds: whoever starts one after the other comes back sooner. */
const keptMs = 60_000
/** Kinds of which one waits at the same time. */
const mostKinds = 4
/** The start just made goes first: its program is about to run. */
const pauseMs = 30

/**
 * Starts that have been made but for their last step, the runtime: one for each kind that was asked for lately and that
 * the warm pool does not hold. To a crash one of them is a start like every other that did not come to its end.
 */
export class PreparedStarts {
  readonly #deps: PreparedStartsDeps
  /** By kind, the one asked for last at the end. */
  readonly #waiting = new Map<string, PreparedStart>()
  readonly #ending = new Pending()
  #closed = false

  constructor(deps: PreparedStartsDeps) {
    this.#deps = deps
  }

  /** Goes on with the one of this kind; undefined when there is none. When `signal` aborts, nothing is left of it. */
  take(kind: string, signal: AbortSignal): Promise<Instance> | undefined {
    const start = this.#waiting.get(kind)
    if (!start?.isReady) return undefined
    this.#forget(kind, start)
    const giveUp = () => start.giveUp.abort(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    start.release()
    return start.instance.finally(() => signal.removeEventListener('abort', giveUp))
  }

  /** Makes one of this kind in a moment, unless there is one. */
  prepare(kind: string, begin: BeginStart): void {
    setTimeout(() => this.#begin(kind, begin), pauseMs).unref()
  }

  /** Gives up all that wait; resolves when nothing is left of them. */
  async close(): Promise<void> {
    this.#closed = true
    for (const [kind, start] of this.#waiting) this.#giveUp(kind, start)
    await this.#ending.over()
  }

  #begin(kind: string, begin: BeginStart): void {
    if (this.#closed || this.#waiting.has(kind)) return
    const oldest = this.#waiting.entries().next().value
    if (oldest && this.#waiting.size >= mostKinds) this.#giveUp(...oldest)

    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const giveUp = new AbortController()
    const prepared = () => {
      start.isReady = true
    }
    const instance = begin({ prepared, released }, giveUp.signal)
    const start: PreparedStart = { instance, isReady: false, release, giveUp }
    start.timer = setTimeout(() => this.#giveUp(kind, start), keptMs).unref()
    this.#waiting.set(kind, start)
    const ended = instance.then(
      () => {},
      (error) => {
        this.#forget(kind, start)
        if (!giveUp.signal.aborted) this.#deps.onFailure(error)
      },
    )
    void this.#ending.add(ended)
  }

  #giveUp(kind: string, start: PreparedStart): void {
    this.#forget(kind, start)
    start.giveUp.abort(new Error('nobody asked for it any more'))
  }

  #forget(kind: string, start: PreparedStart): void {
    clearTimeout(start.timer)
    if (this.#waiting.get(kind) === start) this.#waiting.delete(kind)
  }
}
