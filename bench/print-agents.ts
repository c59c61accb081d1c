import type { AgentsReport } from './agents.ts'
import { figureLines } from './measure/figure.ts'
import type { Machine } from './measure/machine.ts'
import { printLadder } from './print-ladder.ts'

/** The report as a table for people. */
export function printAgents({ series, figures }: AgentsReport, before: Machine, after: Machine): string {
  return `${printLadder({ series, skipped: [] }, before, after)}${figureLines(figures)}`
}
