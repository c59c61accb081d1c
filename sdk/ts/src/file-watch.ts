import { errorFromEvent, WarrenError } from './error.ts'
import type { Transport } from './transport.ts'

export interface FileChange {
  /** `overflow`: more happened than could be told; look at the folder yourself. */
  type: 'create' | 'write' | 'remove' | 'rename' | 'chmod' | 'overflow'
  /** Relative to what is watched. */
  path: string
  at: string
}

/** The changes as they happen, until `close`, the end of the sandbox or an abort. */
export interface FileWatch extends AsyncIterable<FileChange> {
  close(): void
}

interface WatchOptions {
  path: string
  recursive?: boolean | undefined
  user?: string | undefined
  signal?: AbortSignal | undefined
}

/** Opens a watch and waits until it is in place. */
export async function watchFiles(
  transport: Transport,
  url: string,
  { signal, ...query }: WatchOptions,
): Promise<FileWatch> {
  const closed = new AbortController()
  const either = signal ? AbortSignal.any([signal, closed.signal]) : closed.signal
  const events = transport.events('GET', url, { query, signal: either })
  const first = await events.next()
  if (first.done) throw new WarrenError('unavailable', 'the watch ended before it began')
  if (first.value.event === 'error') throw errorFromEvent(first.value.data)

  return {
    close: () => closed.abort(),
    async *[Symbol.asyncIterator]() {
      try {
        for await (const { event, data } of events) {
          if (event === 'change') yield data as FileChange
          else if (event === 'error') throw errorFromEvent(data)
        }
      } catch (error) {
        if (!closed.signal.aborted) throw error
      }
    },
  }
}
