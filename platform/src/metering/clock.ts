import { readFile } from 'node:fs/promises'
import { sql, type Transaction } from 'kysely'
import type { Tables } from '../storage/tables.ts'

/** A smaller difference is how long it takes to ask, or a clock that is being corrected slowly, milliseconds. */
const leastJumpMs = 2_000

/** What the clock did since the last look at it. */
export interface ClockTurn {
  now: Date
  turn: number
  /** By how much it was set forward; negative: back; 0: not at all. */
  jumpMs: number
  /** What it would show if nobody had set it. */
  expected: Date
}

/**
 * Looks at the clock of the database beside the time since this host was started, which nobody sets and which goes on
 * over a restart of ours. Whether somebody set the clock while the host itself was down cannot be known.
 */
export async function turnClock(tx: Transaction<Tables>, bootTime: BootTime): Promise<ClockTurn> {
  const { bootId, uptimeMs } = await bootTime()
  const before = await tx.selectFrom('usage_clock').selectAll().forUpdate().executeTakeFirst()
  const now = (await sql<{ now: Date }>`select clock_timestamp() as now`.execute(tx)).rows[0]!.now
  const sameBoot = before?.boot_id === bootId
  const expected = sameBoot ? new Date(before.at.getTime() + uptimeMs - before.uptime_ms) : now
  const differenceMs = now.getTime() - expected.getTime()
  const jumpMs = Math.abs(differenceMs) >= leastJumpMs ? differenceMs : 0
  const turn = (before?.turn ?? 0) + 1
  const values = { boot_id: bootId, uptime_ms: uptimeMs, at: now, turn }
  await tx
    .insertInto('usage_clock')
    .values(values)
    .onConflict((conflict) => conflict.column('one').doUpdateSet(values))
    .execute()
  return { now, turn, jumpMs, expected }
}

/** Whether something that the clock dated `at` was before it was set. */
export function wasBefore(at: Date, { jumpMs, expected, now }: ClockTurn): boolean {
  return jumpMs > 0 ? at <= expected : at > now
}

/** Since when this host runs, by a clock that nobody sets. */
export type BootTime = () => Promise<{ bootId: string; uptimeMs: number }>

export const bootTimeOfHost: BootTime = async () => {
  const [bootId, uptime] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFile('/proc/uptime', 'utf8'),
  ])
  return { bootId: bootId.trim(), uptimeMs: Math.round(Number.parseFloat(uptime) * 1000) }
}
