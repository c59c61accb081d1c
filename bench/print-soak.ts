import type { Machine } from './measure/machine.ts'
import type { SoakReport } from './soak.ts'

/** The report as a table for people. */
export function printSoak(report: SoakReport, before: Machine, after: Machine): string {
  const { minutes, created, success, series, trends, lost } = report
  const lines = [
    `${before.processor}, ${before.cores} cores, Linux ${before.kernel}, Node ${before.node}`,
    `load ${before.load.join(' ')} before, ${after.load.join(' ')} after`,
    `${minutes} minutes, ${created} sandboxes came and went, ${(100 * success).toFixed(2)} % succeeded`,
    ...series.map(({ name, p50, p99, failure }) => {
      const failed = failure ? `; first failure: ${failure}` : ''
      return `${name}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms${failed}`
    }),
    lost.length > 0 ? `lost of those that stay: ${lost.join(', ')}` : 'none of those that stay was lost',
    '',
    row(['after the warm-up', 'first', 'last', 'mean', 'per hour', 'verdict']),
    ...trends.map(({ name, verdict, ...figures }) => {
      const { first, last, mean, perHour } = figures
      return row([name, ...[first, last, mean, perHour].map((value) => value.toFixed(1)), verdict])
    }),
  ]
  return `${lines.join('\n')}\n`
}

function row([name, ...cells]: string[]): string {
  return `${name!.padEnd(32)}${cells.map((cell) => cell.padStart(11)).join('')}`
}
