import { readFileSync } from 'node:fs'
import { isOutOfResources } from './out-of-resources.ts'

export interface ProcessStat {
  /** The first 15 bytes of its name. */
  name: string
  /** One letter as in ps: R, S, D, Z (dead, not yet reaped), … */
  state: string
  parent: number
  /** Clock ticks from the host's boot to its start. A pid and its start time together are never reused. */
  startTime: string
}

/** Reads `/proc/<pid>/stat`; undefined if there is no such process. Throws where it cannot look. */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    if (isOutOfResources(error)) throw error
    return undefined
  }
  // The name stands in parentheses and may itself hold spaces and parentheses.
  const nameEnd = text.lastIndexOf(')')
  const fields = text.slice(nameEnd + 2).split(' ')
  return {
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTime: fields[19] ?? '',
  }
}

/** True if that very process (not a later one with its pid) lives. A dead one that nobody has reaped does not. */
export function isAlive(pid: number, startTime?: string): boolean {
  let stat: ProcessStat | undefined
  try {
    stat = processStat(pid)
  } catch {
    return exists(pid)
  }
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return false
  return startTime === undefined || stat.startTime === startTime
}

/** Needs no descriptor. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
