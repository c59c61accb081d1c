import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { Invoice, InvoiceLine, Money } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'
import { shown } from './money.ts'

export function addInvoice(root: Command): void {
  const invoice = root.command('invoice').description(text.invoice).enablePositionalOptions()
  invoice.helpCommand('help [command]', text.helpCommand)
  const add = (name: string, description: string) =>
    invoice.command(name).description(description).option('--json', text.optionJson)
  add('list', text.invoiceList).alias('ls').action(list)
  add('show', text.invoiceShow).argument('<invoice>', text.argumentInvoice).action(show)
  add('usage', text.invoiceUsage).argument('<invoice>', text.argumentInvoice).action(usage)
  add('pay', text.invoicePay)
    .argument('<invoice>', text.argumentInvoice)
    .option('--provider <name>', text.optionProvider, 'wallet')
    .option('--card <id>', text.optionCard)
    .option('--key <key>', text.optionPaymentKey)
    .action(pay)
  add('close', text.invoiceClose)
    .argument('<account>', text.argumentAccount)
    .option('--until <time>', text.optionUntil)
    .option('--key <key>', text.optionInvoiceKey)
    .action(close)
  add('credit', text.invoiceCredit)
    .argument('<account>', text.argumentAccount)
    .argument('<invoice>', text.argumentInvoice)
    .argument('<amount>', text.argumentAmount)
    .requiredOption('--currency <code>', text.optionCreditCurrency)
    .requiredOption('--memo <text>', text.optionMemo)
    .option('--key <key>', text.optionCreditKey)
    .action(credit)
  invoice
    .command('pdf')
    .description(text.invoicePdf)
    .argument('<invoice>', text.argumentInvoice)
    .option('-o, --output <file>', text.optionOutput)
    .action(pdf)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const invoices = await server().billing.invoices()
  if (json) return printJson(invoices)
  if (invoices.length === 0) return void process.stderr.write(`${text.noInvoices}\n`)
  const rows = invoices.map(({ id, number = '', state, periodStart, periodEnd, facts, total }) => [
    id,
    number,
    state,
    `${periodStart.slice(0, 10)} – ${periodEnd.slice(0, 10)}`,
    String(facts),
    shown(total),
  ])
  const { columnId, columnNumber, columnState, columnPeriod, columnFacts, columnAmount } = text
  process.stdout.write(table([columnId, columnNumber, columnState, columnPeriod, columnFacts, columnAmount], rows))
}

async function show(id: string, { json }: { json?: boolean }): Promise<void> {
  const invoice = await server().billing.invoice(id)
  if (json) return printJson(invoice)
  process.stdout.write(`${invoice.number ?? id} ${invoice.state}\n`)
  printLines(invoice.lines ?? [], invoice.total)
}

export function printLines(lines: InvoiceLine[], total: Money): void {
  const rows = lines.map(({ kind, meter, code, plan, from = '', quantity, facts, amount }) => [
    `${kind} ${meter ?? code ?? plan?.id ?? ''}`,
    from.slice(0, 10),
    String(facts),
    quantity,
    shown(amount),
  ])
  const { columnItem, columnPeriod, columnFacts, columnQuantity, columnAmount } = text
  process.stdout.write(table([columnItem, columnPeriod, columnFacts, columnQuantity, columnAmount], rows))
  process.stdout.write(`${text.totalLine(shown(total))}\n`)
}

async function usage(id: string, { json }: { json?: boolean }): Promise<void> {
  const found = await server().billing.invoiceUsage(id)
  if (json) return printJson(found)
  const rows = found.map(({ kind, subject, facts, quantities }) => [
    `${kind} ${subject}`,
    String(facts),
    Object.entries(quantities)
      .filter(([, quantity]) => quantity !== '0')
      .map(([meter, quantity]) => `${meter} ${quantity}`)
      .join(', '),
  ])
  process.stdout.write(table([text.columnItem, text.columnFacts, text.columnQuantity], rows))
}

interface PayOptions {
  provider: string
  card?: string
  key?: string
  json?: boolean
}

async function pay(invoice: string, { provider, card, key = randomUUID(), json }: PayOptions): Promise<void> {
  const payment = await server().billing.pay({ provider, invoice, method: card, key })
  if (json) printJson(payment)
  else process.stdout.write(`${text.paymentLine(payment.id, payment.state, shown(payment.amount))}\n`)
}

interface CloseOptions {
  until?: string
  key?: string
  json?: boolean
}

async function close(account: string, { until, key = randomUUID(), json }: CloseOptions): Promise<void> {
  printTotal(await server().billing.closeInvoice(account, { until, key }), json)
}

interface CreditOptions {
  currency: string
  memo: string
  key?: string
  json?: boolean
}

async function credit(account: string, invoice: string, amount: string, options: CreditOptions): Promise<void> {
  const { currency, memo, key = randomUUID(), json } = options
  printTotal(await server().billing.creditNote(account, invoice, { amount: { currency, amount }, memo, key }), json)
}

function printTotal(invoice: Invoice, json: boolean | undefined): void {
  const { id, number = '', state, total } = invoice
  if (json) printJson(invoice)
  else process.stdout.write(`${id} ${number} ${state} ${shown(total)}\n`)
}

async function pdf(id: string, { output }: { output?: string }): Promise<void> {
  const { billing } = server()
  const content = await billing.invoicePdf(id)
  const file = output ?? `${(await billing.invoice(id)).number ?? id}.pdf`
  await writeFile(file, content)
  process.stdout.write(`${file}\n`)
}
