import { readdirSync } from 'node:fs'
import { linkProc, readProc } from './proc.ts'

export interface Memory {
  processes: number
  /** Bytes that nobody else uses. */
  privateBytes: number
  /** Private bytes and the fair share of the shared ones. */
  pssBytes: number
}

export interface ProcessEntry {
  pid: number
  parent: number
  command: string
  cwd: string
}

/** Every process of this machine that can be looked at. */
export function processes(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = readProc(`/proc/${name}/stat`)
      if (!stat) return []
      // The name in brackets may hold anything, also brackets and blanks.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readProc(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim()
      return [{ pid: Number(name), parent: Number(fields[1]), command, cwd: linkProc(`/proc/${name}/cwd`) }]
    })
}

/** `roots` and everything below them. */
export function withDescendants(roots: readonly number[], all: readonly ProcessEntry[]): number[] {
  const found = new Set(roots)
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}

/** The kernel's own account of these processes, summed. Those that have ended meanwhile are left out. */
export function memoryOf(pids: readonly number[]): Memory {
  const sum: Memory = { processes: 0, privateBytes: 0, pssBytes: 0 }
  for (const pid of pids) {
    const rollup = readProc(`/proc/${pid}/smaps_rollup`)
    if (!rollup) continue
    sum.processes++
    sum.privateBytes += kilobytes(rollup, 'Private_Clean') + kilobytes(rollup, 'Private_Dirty')
    sum.pssBytes += kilobytes(rollup, 'Pss')
  }
  return sum
}

export function availableBytes(): number {
  return kilobytes(readProc('/proc/meminfo'), 'MemAvailable')
}

function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
}
