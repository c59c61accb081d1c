import type { GuestConnection } from './connection.ts'
import { Fields, kind } from './frames.ts'

export interface WatchEvent {
  type: 'create' | 'write' | 'remove' | 'rename' | 'chmod' | 'overflow'
  /** Relative to the watched directory. */
  path: string
  /** Unix milliseconds. */
  at: number
}

/** How long an agent may take to say that it has told everything, milliseconds. One of an older kind never says it. */
const syncMs = 2_000

/** Changes below one directory, over one connection, until it is closed. */
export class GuestWatch implements AsyncIterable<WatchEvent> {
  readonly #connection: GuestConnection
  #syncs: (() => void)[] = []

  constructor(connection: GuestConnection) {
    this.#connection = connection
  }

  /** To be read once. Ends when the directory goes or the watch is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<WatchEvent> {
    try {
      for (;;) {
        const frame = await this.#connection.next()
        if (!frame || frame.kind === kind.end) return
        if (frame.kind === kind.synced) this.#syncs.shift()?.()
        if (frame.kind !== kind.event) continue
        const fields = new Fields(frame.payload)
        yield {
          type: (fields.text(1) ?? 'overflow') as WatchEvent['type'],
          path: fields.text(2) ?? '',
          at: fields.time(3),
        }
      }
    } finally {
      this.close()
    }
  }

  /** Resolves when every change that was made before this call has come out of the iteration, which must be going on. */
  async sync(): Promise<void> {
    const done = Promise.withResolvers<void>()
    this.#syncs.push(done.resolve)
    const timer = setTimeout(done.resolve, syncMs)
    await this.#connection.send(kind.sync).catch(done.resolve)
    await done.promise
    clearTimeout(timer)
  }

  close(): void {
    this.#connection.close()
    for (const resolve of this.#syncs.splice(0)) resolve()
  }
}
