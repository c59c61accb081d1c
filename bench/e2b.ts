import { clientOf, type E2bDeps } from './e2b/client-of.ts'
import { measureCreate } from './e2b/create.ts'
import { measureCrowd } from './e2b/crowd.ts'
import { measureTransfers } from './e2b/transfers.ts'
import { measureWatchers } from './e2b/watchers.ts'
import { Client } from './measure/client.ts'
import { startPlatform, withTools } from './measure/platform.ts'
import type { Series } from './measure/series.ts'

const measurements = [measureCreate, measureWatchers, measureTransfers, measureCrowd]

export interface E2bReport {
  at: string
  series: Series[]
  skipped: string[]
}

/**
 * Measures what a program written for E2B meets, with the released client, on each runtime that a sandbox can be given unasked: a
 * client of E2B cannot choose, so each has a platform that has no other.
 */
export async function benchE2b(options: {
  driver?: string | undefined
  quick: boolean
  tell: (line: string) => void
}): Promise<E2bReport> {
  const { driver, quick, tell } = options
  const report: E2bReport = { at: new Date().toISOString(), series: [], skipped: [] }
  const wanted = driver === undefined ? ['oci/runc', 'oci/runsc'] : [driver]
  for (const name of wanted) {
    tell(`starting for ${name}`)
    const platform = await startPlatform(
      { WARREN_DEFAULT_DISK_MB: '4096' },
      name === 'oci/runsc' ? withTools : undefined,
    )
    const end = () => void platform.stop().finally(() => process.exit(130))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
    try {
      const own = await Client.open(platform)
      const { id, runtime } = await own.create({})
      await own.remove(id)
      own.close()
      if (runtime.driver !== name) {
        report.skipped.push(`${name}: a sandbox of this host is given ${runtime.driver}`)
        continue
      }
      const deps: E2bDeps = { ...clientOf(platform), driver: name, pid: platform.own!.pid, quick, tell }
      for (const measure of measurements) {
        tell(measure.name)
        report.series.push(...(await measure(deps)))
      }
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, end)
      tell('cleaning up')
      await platform.stop()
    }
  }
  return report
}
