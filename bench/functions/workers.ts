import { readProc } from '../measure/proc.ts'
import { type ProcessEntry, processes, withDescendants } from '../measure/process-memory.ts'

/** As the kernel counts processor time. */
const ticksPerSecond = 100

/** The workers of functions of the platform with this home. */
export function workersOf(home: string): ProcessEntry[] {
  const all = processes()
  const keepers = all.filter(({ command }) => command.includes(home)).map(({ pid }) => pid)
  const theirs = new Set(withDescendants(keepers, all))
  return all.filter(
    ({ pid, command }) => theirs.has(pid) && command.endsWith('function.sock') && !command.includes(' keep '),
  )
}

/** Processor time that these have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = readProc(`/proc/${pid}/stat`)
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks / ticksPerSecond
}

/** What these have written and nobody shares. */
export function privateDirtyBytes(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) =>
    Number(/^Private_Dirty:\s+(\d+) kB/m.exec(readProc(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  )
  return 1024 * kilobytes.reduce((sum, one) => sum + one, 0)
}
