import type { LadderReport } from './ladder.ts'
import type { Machine } from './measure/machine.ts'
import { row, seriesLines } from './print-sandbox.ts'

/** The report as a table for people. */
export function printLadder(
  { series, skipped }: Pick<LadderReport, 'series' | 'skipped'>,
  before: Machine,
  after: Machine,
): string {
  const lines = [
    `${before.processor}, ${before.cores} cores, Linux ${before.kernel}, Node ${before.node}`,
    `load ${before.load.join(' ')} before, ${after.load.join(' ')} after`,
    '',
    row(['milliseconds', 'p50', 'p95', 'p99', 'max', 'n', 'ok', 'load', 'promise']),
    ...series.flatMap(seriesLines),
    '',
    ...skipped.map((reason) => `skipped: ${reason}`),
  ]
  return `${lines.join('\n')}\n`
}
