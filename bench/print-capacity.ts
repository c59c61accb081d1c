import type { CapacityReport } from './capacity.ts'
import type { Machine } from './measure/machine.ts'

/** The report as a table for people. */
export function printCapacity(report: CapacityReport, before: Machine, after: Machine): string {
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(2)} MiB`
  const { resumed, platformBytes } = report
  const lines = [
    `${before.processor}, ${before.cores} cores, ${Math.round(before.memoryBytes / 1024 ** 2)} MiB, Linux ${before.kernel}`,
    `load ${before.load.join(' ')} before, ${after.load.join(' ')} after`,
    ...(['paused', 'live'] as const).map((name) => {
      const { driver, wanted, reached, failure, memoryBytesEach, diskBytesEach } = report[name]
      const why = failure ? `; the next failed: ${failure}` : ''
      return `${name} at once: ${reached} of ${wanted} (${driver}), each ${mib(memoryBytesEach)} of memory and ${mib(diskBytesEach)} of disk${why}`
    }),
    `went on after resume: ${resumed.wentOn} of ${resumed.tried}`,
    `platform and database: ${mib(platformBytes)}`,
    ...report.series.map(
      ({ name, p50, p99, failure }) =>
        `${name}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms${failure ? `; first failure: ${failure}` : ''}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}
