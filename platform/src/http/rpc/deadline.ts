import { RpcError } from './rpc-error.ts'

/** Longer than a timer can be set for: as good as for ever. */
const longestTimerMs = 2 ** 31 - 1

/** Aborts its signal when the time that a caller gave is over. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined

  constructor(timeoutMs: number | undefined) {
    if (timeoutMs === undefined || timeoutMs > longestTimerMs) return
    this.#timer = setTimeout(() => this.#controller.abort(tooLate()), timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}

export function tooLate(): RpcError {
  return new RpcError('deadline_exceeded', 'the time that was allowed for this is over')
}
