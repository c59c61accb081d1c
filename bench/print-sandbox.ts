import type { Machine } from './measure/machine.ts'
import type { Series } from './measure/series.ts'
import type { SandboxReport } from './sandbox.ts'

/** The report as a table for people. */
export function printSandbox(report: SandboxReport, before: Machine, after: Machine): string {
  const { runtime, series, density, platformIdle, skipped } = report
  const lines = [
    `${before.processor}, ${before.cores} cores, ${mebibytes(before.memoryBytes)}, Linux ${before.kernel}, Node ${before.node}, ${before.runc}`,
    `load ${before.load.join(' ')} before, ${after.load.join(' ')} after`,
    `runtime ${runtime.driver} (${runtime.isolation}), disk ${runtime.disk}`,
    '',
    row(['milliseconds', 'p50', 'p95', 'p99', 'max', 'n', 'ok', 'load', 'promise']),
    ...series.flatMap(seriesLines),
    '',
  ]
  if (platformIdle) {
    const { pssBytes, privateBytes, target } = platformIdle
    lines.push(
      `platform and database, idle: ${mebibytes(pssBytes)} (${mebibytes(privateBytes)} private) ${verdict(target.met, `≤${mebibytes(target.pssBytesAtMost)}`)}`,
    )
  }
  if (density) {
    const { perSandbox, platformGrowthBytes, machineBytes, roomFor, target } = density
    lines.push(
      `idle sandboxes alive at once: ${density.alive} of ${density.wanted}${density.failure ? `; first failure: ${density.failure}` : ''}`,
      `each: ${mebibytes(perSandbox.privateBytes)} private in ${perSandbox.processes.toFixed(1)} processes (${mebibytes(perSandbox.pssBytes)} PSS), the platform grew by ${mebibytes(platformGrowthBytes)} ${verdict(target.met, `together ≤${mebibytes(target.privateBytesAtMost)}`)}`,
      `each took ${mebibytes(machineBytes)} of the machine; room for ${roomFor} more`,
    )
  }
  lines.push(...skipped.map((reason) => `left out: ${reason}`))
  return `${lines.join('\n')}\n`
}

export function seriesLines(series: Series): string[] {
  const { name, p50, p95, p99, max, samples, success, load, targets, note, failure } = series
  const promises = targets
    .map(({ percentile, atMost, met }) => verdict(met, `${percentile} ≤${Math.round(atMost * 100) / 100}`))
    .join(', ')
  const figures = [p50, p95, p99, max].map((value) => (Number.isNaN(value) ? '-' : value.toFixed(2)))
  const lines = [row([name, ...figures, String(samples), `${(100 * success).toFixed(0)} %`, load.toFixed(2), promises])]
  if (note) lines.push(`    ${note}`)
  if (failure) lines.push(`    first failure: ${failure}`)
  return lines
}

function verdict(met: boolean, promise: string): string {
  return `${met ? '✓' : '✗'} ${promise}`
}

export function row([name = '', ...cells]: string[]): string {
  const last = cells.pop() ?? ''
  return `${name.padEnd(54)}${cells.map((cell) => cell.padStart(9)).join('')}   ${last}`.trimEnd()
}

function mebibytes(bytes: number): string {
  const value = bytes / 1024 ** 2
  return `${value >= 100 ? Math.round(value) : value.toFixed(2)} MiB`
}
