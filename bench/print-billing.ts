import type { BillingReport } from './billing.ts'
import type { Machine } from './measure/machine.ts'

/** The report as a table for people. */
export function printBilling(
  { ingest, invoice, verification, chaos }: BillingReport,
  before: Machine,
  after: Machine,
): string {
  const mark = (met: boolean) => (met ? '✓' : '✗')
  const lines = [
    `${before.processor}, ${before.cores} cores, Linux ${before.kernel}, Node ${before.node}`,
    `load ${before.load.join(' ')} before, ${after.load.join(' ')} after`,
    `${mark(ingest.met)} facts of use recorded: ${ingest.perSecond} a second, of ${ingest.facts}; target ${ingest.target}`,
    `${mark(invoice.met)} invoice of ${invoice.facts} facts: ${invoice.seconds.toFixed(1)} s; target ${invoice.targetSeconds} s of a million; one column of them summed up takes ${invoice.referenceScanSeconds.toFixed(2)} s`,
    `${mark(verification.difference === 0)} everything computed once more: ${verification.seconds.toFixed(1)} s, difference ${verification.difference}`,
    ...(chaos
      ? [
          `${mark(chaos.difference === 0)} killed ${chaos.kills} times: ${chaos.invoices} invoices, ${chaos.postings} postings, difference ${chaos.difference}`,
        ]
      : []),
  ]
  return `${lines.join('\n')}\n`
}
