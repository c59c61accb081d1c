import type { Entry } from './entry.ts'

/**
 * The entries that a later rollback has undone. From the end: a rollback that was itself undone has undone nothing. Linear, however
 * many rollbacks there are.
 */
export function rolledBack(entries: readonly Entry[]): ReadonlySet<Entry> {
  const undone = new Set<Entry>()
  let to = Number.POSITIVE_INFINITY
  for (const entry of entries.toReversed()) {
    if (entry.seq > to) undone.add(entry)
    else if (entry.type === 'run.rolled_back') to = entry.data.to
  }
  return undone
}
