import type { FunctionsReport } from './functions.ts'
import { figureLines } from './measure/figure.ts'
import type { Machine } from './measure/machine.ts'
import { printLadder } from './print-ladder.ts'

/** The report as a table for people. */
export function printFunctions({ series, figures, driver }: FunctionsReport, before: Machine, after: Machine): string {
  return `${printLadder({ series, skipped: [] }, before, after)}in ${driver}\n${figureLines(figures)}`
}
