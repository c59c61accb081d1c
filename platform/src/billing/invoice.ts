import type { Meter } from './meter.ts'

/*
 * draftInvoice ──▶ drafted ──issueInvoice──▶ issued ──pay──▶ paid
 *                                              └──creditNote of all of it──▶ void
 * A draft fixes which facts an invoice takes; what they cost is computed and numbered when it is issued. A draft that a
 * crash leaves is issued at the next start.
 */
export interface Invoice {
  id: string
  accountId: string
  kind: 'invoice' | 'credit_note'
  state: 'drafted' | 'issued' | 'paid' | 'void'
  /** Such as INV-000001. Undefined for a draft. */
  number: string | undefined
  currency: string
  periodStart: Date
  periodEnd: Date
  /** The facts it takes were written after the one and up to the other, apart from those that were left for it. */
  fromSeq: number
  toSeq: number
  facts: number
  total: bigint
  /** Of an invoice: what credit notes took back. */
  credited: bigint
  corrects: string | undefined
  memo: string | undefined
  issuedAt: Date | undefined
}

export interface Line {
  position: number
  kind: 'fee' | 'usage' | 'discount' | 'credit'
  plan?: { id: string; version: number }
  segment?: { start: Date; end: Date }
  meter?: Meter
  facts: number
  quantity: bigint
  minor: bigint
  /** Of a coupon. */
  code?: string
}

export type NewLine = Omit<Line, 'position'>
