import { WarrenError } from '../../errors.ts'
import type { FunctionRecord } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import { type Invocation, listInvocations } from '../invocations/invocations.ts'
import type { LogEntry } from './log-tail.ts'

export interface FollowLogs {
  /** Else from now on. */
  after?: Place | undefined
  /** Only lines with this text, and the ends of calls that have one. */
  search?: string | undefined
  /** Whether to wait for more. */
  follow: boolean
}

/** An entry with the place to go on from. */
export type Told = LogEntry & { id: string }

/** Where somebody has read to: a time, and an entry of a process. */
export interface Place {
  at: number
  epoch?: string | undefined
  seq: number
}

/** Ends are in the database a little later than they say, and after ends that say later times, milliseconds. */
const marginMs = 2000
const page = 20

/**
 * What a function writes, line by line as it comes, and the ends of its calls. Whoever names the last entry they had goes on behind it; where that
 * is not held any more, with the calls that have ended since, whole: so nothing is missed, and after a pause some may come twice.
 */
export async function* followLogs(
  { db, logs, recorder }: Pick<FunctionDeps, 'db' | 'logs' | 'recorder'>,
  record: FunctionRecord,
  { after, search, follow }: FollowLogs,
  signal: AbortSignal,
): AsyncGenerator<Told> {
  const isWanted = wantedBy(search)
  const leave = logs.watch(record.id)
  let place: Place = after ?? { at: Date.now(), epoch: logs.epoch, seq: logs.seq }
  let entries = after ? undefined : logs.ofRunning(record.id, logs.seq)
  try {
    for (;;) {
      entries ??= place.epoch === logs.epoch ? logs.after(record.id, place.seq) : undefined
      if (!entries) {
        const from = logs.seq
        const told = new Set<string>()
        for await (const entry of ended(place.at - marginMs)) {
          told.add(entry.invocation)
          if (isWanted(entry)) yield { ...entry, id: String(entry.at) }
        }
        const since = logs.after(record.id, from)
        if (!since) throw gone(record)
        entries = [...logs.ofRunning(record.id, from), ...since].filter(({ invocation }) => !told.has(invocation))
        place = { ...place, epoch: logs.epoch, seq: since.at(-1)?.seq ?? from }
      }
      for (const entry of entries) {
        if (entry.seq > place.seq) place = { at: entry.at, epoch: logs.epoch, seq: entry.seq }
        if (isWanted(entry)) yield { ...entry, id: `${entry.at}.${logs.epoch}.${entry.seq}` }
      }
      if (!follow) return
      signal.throwIfAborted()
      if (entries.length === 0) await logs.changed(record.id, signal)
      signal.throwIfAborted()
      if (!logs.has(record.id)) throw gone(record)
      entries = undefined
    }
  } finally {
    leave()
  }

  /** What the database has, page by page. */
  async function* ended(sinceMs: number): AsyncGenerator<LogEntry> {
    await recorder.settle(record.accountId)
    let endedAfter: { at: Date; id: string } = { at: new Date(sinceMs), id: '' }
    for (;;) {
      const found = await listInvocations({ db }, record.id, {
        endedAfter: endedAfter.at,
        afterId: endedAfter.id,
        limit: page,
      })
      for (const one of found) yield* entriesOf(one)
      const last = found.at(-1)
      if (!last || found.length < page) return
      endedAfter = { at: last.endedAt!, id: last.id }
    }
  }
}

/** Of the id of an entry, or of a time. Throws `invalid_request`. */
export function readPlace(text: string): Place {
  const [, at, epoch, seq] = /^(\d{1,15})(?:\.([0-9a-f]{12})\.(\d{1,15}))?$/.exec(text) ?? []
  const time = at === undefined ? Date.parse(text) : Number(at)
  if (Number.isNaN(new Date(time).getTime()))
    throw new WarrenError('invalid_request', `after must be the id of an entry or a time, not "${text.slice(0, 60)}"`)
  return { at: time, epoch, seq: Number(seq ?? 0) }
}

function gone({ name }: FunctionRecord): WarrenError {
  return new WarrenError('not_found', `function "${name}" was deleted`)
}

function entriesOf({ id, version, state, error, billedMs = 0, cold = false, log, endedAt }: Invocation): LogEntry[] {
  const of = { seq: 0, at: endedAt!.getTime(), invocation: id, version }
  let offset = 0
  const lines = log === '' ? [] : log.replace(/\n$/, '').split('\n')
  return [
    ...lines.map((text): LogEntry => {
      offset += text.length + 1
      return { type: 'line', ...of, offset: offset - text.length - 1, text }
    }),
    { type: 'end', ...of, state, billedMs, cold, ...(error ? { error } : {}) },
  ]
}

function wantedBy(search: string | undefined): (entry: LogEntry) => boolean {
  if (search === undefined) return () => true
  /** Calls that have written it, until they end. */
  const found = new Set<string>()
  return (entry) => {
    if (entry.type === 'end') return found.delete(entry.invocation)
    const has = entry.text.includes(search)
    if (has) found.add(entry.invocation)
    return has
  }
}
