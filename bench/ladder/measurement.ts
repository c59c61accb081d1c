import type { Client } from '../measure/client.ts'
import type { Series } from '../measure/series.ts'

/** What one measurement of the ladder works with. */
export interface LadderDeps {
  client: Client
  quick: boolean
  /** Runtimes of the server that work, the strongest first, with what they can. */
  runtimes: LadderRuntime[]
  tell: (line: string) => void
}

export interface LadderRuntime {
  driver: string
  healthy: boolean
  /** What it is, or why it does not work. */
  reason: string
  capabilities: { pause: { memory?: string }; snapshot: { keeps?: string } }
}

export interface Measured {
  series: Series[]
  skipped: string[]
}

/** One file each. It leaves nothing behind. What cannot be measured here is skipped with the reason. */
export type Measurement = (deps: LadderDeps) => Promise<Measured>

/** Whether the processor of its sandboxes is software. */
export function isEmulated({ reason }: LadderRuntime): boolean {
  return /emulated/.test(reason)
}

/** The runtime whose snapshots keep memory, or the reason why there is none. */
export function withMemory({ runtimes }: LadderDeps): LadderRuntime | string {
  const found = runtimes.find(
    (runtime) => runtime.healthy && !isEmulated(runtime) && runtime.capabilities.snapshot.keeps === 'memory',
  )
  return (
    found ?? `no runtime here saves memory (${runtimes.map(({ driver, reason }) => `${driver}: ${reason}`).join('; ')})`
  )
}
