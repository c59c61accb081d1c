import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

export interface Machine {
  processor: string
  cores: number
  memoryBytes: number
  kernel: string
  node: string
  runc: string
  /** Over one, five and fifteen minutes, at this moment. */
  load: number[]
}

/** What a figure must be read with. */
export function machine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    runc: runcVersion(),
    load: loadavg().map((load) => Math.round(load * 100) / 100),
  }
}

function runcVersion(): string {
  try {
    return execFileSync('runc', ['--version'], { encoding: 'utf8' }).split('\n', 1)[0]!
  } catch {
    return 'none'
  }
}
