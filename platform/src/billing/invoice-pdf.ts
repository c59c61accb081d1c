import type { Invoice, Line } from './invoice.ts'
import { type Meter, showQuantity } from './meter.ts'
import { showMoney } from './money.ts'
import { pdfOf, type Text } from './pdf.ts'

const rowsOnAPage = 40
const left = 50
const right = 545

const titles: Record<Invoice['kind'], string> = { invoice: 'Invoice 发票', credit_note: 'Credit note 贷项通知单' }
const states: Record<Invoice['state'], string> = {
  drafted: 'draft 草稿',
  issued: 'to be paid 待付',
  paid: 'paid 已付',
  void: 'void 作废',
}
const names: Record<Line['kind'], string> = {
  fee: 'Plan 套餐',
  usage: 'Usage 用量',
  discount: 'Discount 折扣',
  credit: 'Credit 退款',
}

/** An invoice for people, in English and Chinese. It says nothing that its JSON does not. */
export function invoicePdf(invoice: Invoice, lines: readonly Line[], name: string): Buffer {
  const amount = (minor: bigint) => showMoney({ currency: invoice.currency, minor }).amount
  const chunks = Array.from({ length: Math.max(1, Math.ceil(lines.length / rowsOnAPage)) }, (_, index) =>
    lines.slice(index * rowsOnAPage, (index + 1) * rowsOnAPage),
  )
  const pages = chunks.map((chunk, index): Text[] => {
    const rows = chunk.flatMap((line, row) => rowOf(line, 190 + row * 14, amount))
    const bottom = 200 + chunk.length * 14
    const isLast = index === chunks.length - 1
    return [
      ...head(invoice, name),
      { x: left, y: 172, text: 'Item', bold: true, size: 9 },
      { x: 200, y: 172, text: 'Period (UTC)', bold: true, size: 9 },
      { x: 330, y: 172, text: 'Quantity', bold: true, size: 9 },
      { x: 470, y: 172, text: `Amount ${invoice.currency}`, bold: true, size: 9 },
      ...rows,
      ...(isLast
        ? [
            { x: left, y: bottom + 10, text: `Total 合计 ${invoice.currency}`, size: 12 },
            { x: right, y: bottom + 10, text: amount(invoice.total), size: 12, right: true, bold: false },
          ]
        : []),
      { x: left, y: 815, text: `${invoice.number ?? invoice.id}   ${index + 1} / ${chunks.length}`, size: 8 },
    ]
  })
  return pdfOf(pages, `${titles[invoice.kind]} ${invoice.number ?? ''}`)
}

function head(invoice: Invoice, name: string): Text[] {
  const { kind, number, id, periodStart, periodEnd, issuedAt, state, facts, fromSeq, toSeq, memo } = invoice
  return [
    { x: left, y: 60, text: titles[kind], size: 18 },
    { x: left, y: 82, text: `${number ?? id}    ${name}`, size: 11 },
    {
      x: left,
      y: 98,
      text: `${day(periodStart)} - ${day(periodEnd)}    issued 开具 ${issuedAt ? day(issuedAt) : ''}`,
      size: 9,
    },
    { x: left, y: 112, text: `${states[state]}    ${memo ?? ''}`, size: 9 },
    {
      x: left,
      y: 126,
      text: kind === 'invoice' ? `${facts} facts of use, records ${fromSeq} to ${toSeq}` : '',
      size: 9,
    },
  ]
}

function rowOf(line: Line, y: number, amount: (minor: bigint) => string): Text[] {
  const { kind, plan, meter, code, segment, quantity, minor } = line
  const about = meter ?? code ?? (plan ? `${plan.id} v${plan.version}` : '')
  return [
    { x: left, y, text: `${names[kind]} ${about}`, size: 9 },
    { x: 200, y, text: segment ? `${day(segment.start)} - ${day(segment.end)}` : '', size: 9 },
    { x: 330, y, text: meter ? showQuantity(meter as Meter, quantity) : '', size: 9 },
    { x: right, y, text: amount(minor), size: 9, right: true },
  ]
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
