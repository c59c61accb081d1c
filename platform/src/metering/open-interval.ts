import type { UsageFact } from './usage-fact.ts'

/*
 * What a subject uses, interval by interval:
 *
 *                created          paused               resumed
 *   (nothing) ───────────▶ running ──────▶ stored ───────────────▶ running     of a sandbox, its memory saved or given up
 *                                  ──────▶ resident ─────────────▶ running     of one that stands still in memory
 *                created
 *   (nothing) ───────────▶ stored                                              of a snapshot or volume; of a bucket, from its first object on
 *
 *                began           ended
 *   (nothing) ───────────▶ running ──────▶ (nothing)                           of what a function's instance sends and receives, and nothing else of it
 *
 * Each arrow closes an interval and opens the next, and so do each full hour, each change of limits and of what a bucket holds. The end of the subject
 * closes the last. The key of the fact is the subject and the number of the interval, so that none is told twice.
 */

/** What is used from `startedAt` on. */
export interface OpenInterval {
  subject: string
  /** Of what its facts tell, where that is not the subject itself. */
  resource?: string | undefined
  accountId: string
  kind: 'sandbox' | 'storage' | 'egress'
  state: 'running' | 'resident' | 'stored'
  number: number
  startedAt: Date
  /** What it may use: that is what it is billed for, however much of it it uses. */
  memoryMb: number
  diskMb: number
  gpu: boolean
  attributes: Record<string, string>
  /** By how much the clock was set forward since it began, milliseconds. */
  skewMs: number
  turn: number
}

/** What was counted of a subject and no fact tells of yet. */
export interface Untold {
  cpuUsec: number
  bytesIn: number
  bytesOut: number
  heldMbMs: number
}

export const nothingUntold: Untold = { cpuUsec: 0, bytesIn: 0, bytesOut: 0, heldMbMs: 0 }

/** What was last seen of it: when, what it held then, and what no fact tells of. */
interface Measured {
  at: Date
  heldMb: number
  untold: Untold
}

/**
 * Closes `open` at `endsAt`, as the clock had it then. Answers the fact, none if nothing was used; what of the untold it tells
 * of; and how much of the skew is still to be taken off what follows.
 */
export function closeInterval(
  open: OpenInterval,
  seen: Measured | undefined,
  endsAt: Date,
): { fact: UsageFact | undefined; told: Untold; skewMs: number } {
  const elapsedMs = endsAt.getTime() - open.startedAt.getTime()
  const lastedMs = Math.max(0, elapsedMs - open.skewMs)
  const skewMs = open.skewMs - (elapsedMs - lastedMs)
  const untold = seen?.untold ?? nothingUntold
  const runs = open.state === 'running'
  const cpuMs = runs ? Math.floor(untold.cpuUsec / 1000) : 0
  const told = runs ? { ...untold, cpuUsec: cpuMs * 1000, heldMbMs: heldUntil(endsAt, open, seen) } : nothingUntold
  const fact: UsageFact = {
    key: `${open.subject}/${open.number}`,
    accountId: open.accountId,
    kind: open.kind,
    subject: open.resource ?? open.subject,
    startedAt: open.startedAt,
    endedAt: new Date(open.startedAt.getTime() + lastedMs),
    cpuMs,
    memoryMbMs: open.state === 'stored' ? 0 : open.memoryMb * lastedMs,
    // What stands still in memory holds what it held.
    memoryHeldMbMs: open.state === 'resident' ? Math.round((seen?.heldMb ?? 0) * lastedMs) : told.heldMbMs,
    diskMbMs: open.diskMb * lastedMs,
    networkInBytes: told.bytesIn,
    networkOutBytes: told.bytesOut,
    gpuMs: open.gpu && runs ? lastedMs : 0,
    attributes: { ...open.attributes, state: open.state },
  }
  const isEmpty = (lastedMs === 0 || open.kind === 'egress') && cpuMs === 0 && told.bytesIn === 0 && told.bytesOut === 0
  return { fact: isEmpty ? undefined : fact, told, skewMs }
}

/** Of what it held until it was last seen the part until `endsAt`: the rest is of the interval that follows. */
function heldUntil(endsAt: Date, { startedAt }: OpenInterval, seen: Measured | undefined): number {
  if (!seen) return 0
  const { at, untold } = seen
  if (endsAt >= at) return untold.heldMbMs
  const part = (endsAt.getTime() - startedAt.getTime()) / (at.getTime() - startedAt.getTime())
  return Math.floor(untold.heldMbMs * Math.max(0, Math.min(1, part)))
}
