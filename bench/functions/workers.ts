import { readProc } from '../measure/proc.ts'
import { type ProcessEntry, processes, withDescendants } from '../measure/process-memory.ts'

/** The workers of functions of the platform with this home. */
export function workersOf(home: string): ProcessEntry[] {
  const all = processes()
  const keepers = all.filter(({ command }) => command.includes(home)).map(({ pid }) => pid)
  const theirs = new Set(withDescendants(keepers, all))
  return all.filter(
    ({ pid, command }) => theirs.has(pid) && command.includes(' warren-function') && !command.includes(' keep '),
  )
}

/** What these have written and nobody shares. */
export function privateDirtyBytes(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) =>
    Number(/^Private_Dirty:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  )
  return 1024 * kilobytes.reduce((sum, one) => sum + one, 0)
}
