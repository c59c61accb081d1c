import type { Entry } from '../journal/entry.ts'
import { rolledBack } from '../journal/rolled-back.ts'

/** What holds of a journal: without what was rolled back. */
export function effective(entries: readonly Entry[]): Entry[] {
  const undone = rolledBack(entries)
  return entries.filter((entry) => entry.type !== 'run.rolled_back' && !undone.has(entry))
}

export interface Cut {
  /** Everything up to the end of the step. */
  entries: Entry[]
  seq: number
  /** The snapshot that has the disk as it was then, or why there is none. */
  disk: { snapshot: string } | { unchanged: true } | { lost: string }
}

/**
 * The journal as it was when step `step` was over: 0 is before the first. Undefined where it never came so far. `kept`: the
 * snapshots that are still there.
 */
export function cutAt(all: readonly Entry[], step: number, kept: ReadonlySet<string>): Cut | undefined {
  const entries = effective(all)
  const steps = entries.filter(({ type }) => type === 'model.answered').length
  if (step < 0 || step > steps) return undefined
  const next = entries.findIndex((entry) => entry.type === 'model.asked' && entry.data.step > step)
  const before = (next < 0 ? entries : entries.slice(0, next)).filter(
    ({ type }) => type !== 'run.ended' && type !== 'run.waits',
  )
  let [at, changed] = [0, 0]
  // A call that a human was asked about may belong to an earlier step than the one it was made after.
  for (const { type, data } of before)
    if (type === 'model.answered') at++
    else if (type === 'tool.ended' && data.changedDisk) changed = at
  // A snapshot is written down when it is whole, which may be after the next step has begun.
  const taken = entries.flatMap((entry) => (entry.type === 'snapshot.taken' ? [entry.data] : []))
  const fitting = taken.filter((one) => one.step <= step && one.step >= changed)
  const found = fitting.findLast(({ id }) => kept.has(id))
  const failed = entries.findLast((entry) => entry.type === 'snapshot.failed')
  const none = failed?.type === 'snapshot.failed' ? failed.data.reason : 'no snapshot was taken of it'
  const why = fitting.length > 0 ? 'its snapshot is not kept any more' : none
  const disk = changed === 0 ? { unchanged: true as const } : found ? { snapshot: found.id } : { lost: why }
  return { entries: before, seq: before.at(-1)!.seq, disk }
}

export function diskText(disk: Cut['disk']): string {
  if ('snapshot' in disk) return `snapshot ${disk.snapshot}`
  return 'unchanged' in disk ? 'unchanged' : `lost: ${disk.lost}`
}
