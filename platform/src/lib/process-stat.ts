import { readFileSync } from 'node:fs'

export interface ProcessStat {
  /** The first 15 bytes of its name. */
  name: string
  /** One letter as in ps: R, S, D, Z (dead, not yet reaped), … */
  state: string
  parent: number
  /** Clock ticks from the host's boot to its start. A pid and its start time together are never reused. */
  startTime: string
}

/** Reads `/proc/<pid>/stat`; undefined if there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
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
  const stat = processStat(pid)
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return false
  return startTime === undefined || stat.startTime === startTime
}
