import type { Database } from '../../storage/database.ts'
import type { Check, Difference } from './check.ts'
import { bankChecks } from './check-bank.ts'
import { invoiceChecks } from './check-invoices.ts'
import { ledgerChecks } from './check-ledger.ts'

export interface Verification {
  /** Of all differences together, in smallest units: zero when every amount is what it should be. */
  difference: number
  differences: Difference[]
  facts: number
  invoices: number
  lines: number
  postings: number
  payments: number
}

/** As many differences as are told one by one. */
const mostTold = 1000

/**
 * Computes all invoices and what must be in the ledger once more, from facts, plans and payments, in one view of the
 * database. It shares no code with what writes them: what both say is hardly the mistake of one.
 */
export async function verify({ pool }: Pick<Database, 'pool'>): Promise<Verification> {
  const checks: Check[] = [...invoiceChecks, ...ledgerChecks, ...bankChecks]
  const client = await pool.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    const differences: Difference[] = []
    for (const { what, sql } of checks) {
      const { rows } = await client.query<Omit<Difference, 'what'>>(sql)
      for (const row of rows) differences.push({ what, ...row })
    }
    const { rows } = await client.query<Omit<Verification, 'difference' | 'differences'>>(`select
      (select count(*) from usage_facts) as facts, (select count(*) from billing_invoices where state <> 'drafted') as invoices,
      (select count(*) from billing_lines) as lines, (select count(*) from ledger_postings) as postings,
      (select count(*) from billing_payments) as payments`)
    await client.query('commit')
    const difference = differences.reduce((sum, { expected, found }) => sum + distance(expected, found), 0n)
    return { difference: Number(difference), differences: differences.slice(0, mostTold), ...rows[0]! }
  } finally {
    // A transaction that failed half way goes with its connection.
    client.release(true)
  }
}

function distance(expected: string, found: string): bigint {
  const apart = BigInt(expected) - BigInt(found)
  // Told although the numbers agree: something else about it is wrong.
  return apart === 0n ? 1n : apart < 0n ? -apart : apart
}
