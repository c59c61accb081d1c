import type { FunctionsReport } from './functions.ts'
import type { Machine } from './measure/machine.ts'
import { printLadder } from './print-ladder.ts'

/** The report as a table for people. */
export function printFunctions({ series, figures, driver }: FunctionsReport, before: Machine, after: Machine): string {
  const lines = figures.map(
    ({ name, value, unit, promise, met }) =>
      `${name.padEnd(54)}${`${value} ${unit}`.padStart(14)}   ${met ? '✓' : '✗'} ${promise}`,
  )
  return `${printLadder({ series, skipped: [] }, before, after)}in ${driver}\n${lines.join('\n')}\n`
}
