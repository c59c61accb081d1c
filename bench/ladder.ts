import { measureInterpreter } from './interpreter/interpreter.ts'
import { measureColdGvisor } from './ladder/cold-gvisor.ts'
import { measureFork } from './ladder/fork.ts'
import type { LadderRuntime, Measurement } from './ladder/measurement.ts'
import { measureMicrovmRestore } from './ladder/microvm-restore.ts'
import { measureNetwork } from './ladder/network.ts'
import { measurePause } from './ladder/pause.ts'
import { measureZygote } from './ladder/zygote.ts'
import { Client } from './measure/client.ts'
import { existingPlatform, startPlatform, withTools } from './measure/platform.ts'
import type { Series } from './measure/series.ts'

/** In the order in which they are taken. */
const measurements = {
  ladder: [measureColdGvisor, measureZygote, measurePause, measureFork, measureMicrovmRestore, measureNetwork],
  interpreter: [measureInterpreter, measureZygote],
} satisfies Record<string, Measurement[]>

export interface LadderReport {
  bench: keyof typeof measurements
  at: string
  series: Series[]
  /** What was left out, and why. */
  skipped: string[]
}

/** Measures what the runtimes can beside running, or what interpreters can in each of them, of a server with the runtimes that set-up fetched for tests. */
export async function benchLadder(options: {
  bench: LadderReport['bench']
  url?: string | undefined
  quick: boolean
  tell: (line: string) => void
}): Promise<LadderReport> {
  const { bench, url, quick, tell } = options
  tell('starting')
  const platform = url ? existingPlatform(url) : await startPlatform({ WARREN_POOL_SIZE: '0' }, withTools)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void platform.stop().finally(() => process.exit(130)))
  try {
    const client = await Client.open(platform)
    const runtimes = await client.runtimes<LadderRuntime>()
    const report: LadderReport = { bench, at: new Date().toISOString(), series: [], skipped: [] }
    for (const measurement of measurements[bench]) {
      tell(measurement.name)
      const { series, skipped } = await measurement({ client, quick, runtimes, tell })
      report.series.push(...series)
      report.skipped.push(...skipped)
    }
    client.close()
    return report
  } finally {
    tell('cleaning up')
    await platform.stop()
  }
}
