import { errorFromEvent } from './error.ts'
import type { Transport } from './transport.ts'

export interface LogEntry {
  /** Rises by one from entry to entry; pass it as `after` to go on there. */
  seq: number
  at: string
  processId: string
  /** `event` entries tell of a process that started or exited. */
  stream: 'stdout' | 'stderr' | 'pty' | 'event'
  text: string
}

export async function readLogs(
  transport: Transport,
  path: string,
  query: { after?: number | undefined },
): Promise<LogEntry[]> {
  return (await transport.json<{ entries: LogEntry[] }>('GET', `${path}/logs`, { query })).entries
}

export async function* followLogs(
  transport: Transport,
  path: string,
  { after, signal }: { after?: number | undefined; signal?: AbortSignal | undefined },
): AsyncGenerator<LogEntry, void> {
  for await (const { event, data } of transport.events('GET', `${path}/logs`, {
    query: { after, follow: true },
    signal,
  })) {
    if (event === 'log') yield data as LogEntry
    else if (event === 'error') throw errorFromEvent(data)
  }
}
