import { randomUUID } from 'node:crypto'
import type { CouponTerms, Money } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'
import { printLines } from './invoice.ts'
import { shown } from './money.ts'
import { print, readTerms } from './plan.ts'

export function addBilling(root: Command): void {
  const billing = root.command('billing').description(text.billing).enablePositionalOptions()
  billing.helpCommand('help [command]', text.helpCommand)
  const add = (name: string, description: string) =>
    billing.command(name).description(description).option('--json', text.optionJson)
  add('usage', text.billingUsage).action(usage)
  add('limits', text.billingLimits)
    .option('--soft <amount>', text.optionSoft)
    .option('--hard <amount>', text.optionHard)
    .action(limits)
  add('top-up', text.billingTopUp)
    .argument('<amount>', text.argumentAmount)
    .requiredOption('--provider <name>', text.optionProvider)
    .option('--card <id>', text.optionCard)
    .option('--key <key>', text.optionPaymentKey)
    .action(topUp)
  billing.command('coupon').description(text.billingCoupon).argument('<code>', text.argumentCoupon).action(coupon)
  billing
    .command('create-coupon')
    .description(text.billingCreateCoupon)
    .argument('<code>', text.argumentCoupon)
    .argument('<file>', text.argumentTerms)
    .action(createCoupon)
  add('payments', text.billingPayments).action(payments)
  add('card', text.billingCard)
    .argument('<number>', text.argumentCard)
    .option('--currency <code>', text.optionCurrency, 'USD')
    .action(card)
  add('ledger', text.billingLedger).option('--account <prefix>', text.optionAccountPrefix).action(ledger)
  add('verify', text.billingVerify).action(verify)
  add('demo', text.billingDemo).action(demo)
}

async function usage({ json }: { json?: boolean }): Promise<void> {
  const found = await server().billing.usage()
  if (json) printJson(found)
  else printLines(found.lines, found.total)
}

async function limits({ soft, hard, json }: { soft?: string; hard?: string; json?: boolean }): Promise<void> {
  const { billing } = server()
  const { currency } = await billing.overview()
  const limit = (amount: string | undefined): Money | null | undefined =>
    amount === undefined ? undefined : amount === 'none' ? null : { currency, amount }
  print(await billing.setLimits({ soft: limit(soft), hard: limit(hard) }), json)
}

interface TopUpOptions {
  provider: string
  card?: string
  key?: string
  json?: boolean
}

async function topUp(amount: string, { provider, card, key = randomUUID(), json }: TopUpOptions): Promise<void> {
  const { billing } = server()
  const { currency } = await billing.overview()
  const payment = await billing.pay({ provider, amount: { currency, amount }, method: card, key })
  if (json) printJson(payment)
  else process.stdout.write(`${text.paymentLine(payment.id, payment.state, shown(payment.amount))}\n`)
}

async function coupon(code: string): Promise<void> {
  await server().billing.redeemCoupon(code)
}

async function createCoupon(code: string, file: string): Promise<void> {
  await server().billing.createCoupon(code, await readTerms<CouponTerms>(file))
}

async function payments({ json }: { json?: boolean }): Promise<void> {
  const found = await server().billing.payments()
  if (json) return printJson(found)
  const rows = found.map(({ id, createdAt, provider, state, amount }) => [
    id,
    createdAt,
    provider,
    state,
    shown(amount),
  ])
  const { columnId, columnPeriod, columnWhat, columnState, columnAmount } = text
  process.stdout.write(table([columnId, columnPeriod, columnWhat, columnState, columnAmount], rows))
}

/** The bank only plays, so that the code it answers is confirmed at once. */
async function card(number: string, { currency, json }: { currency: string; json?: boolean }): Promise<void> {
  const { billing } = server()
  const { id, code = '' } = await billing.bindCard(number, currency)
  const bound = await billing.confirmCard(id, code)
  if (json) printJson(bound)
  else process.stdout.write(`${text.cardLine(bound.id, bound.last4)}\n`)
}

async function ledger({ account, json }: { account?: string; json?: boolean }): Promise<void> {
  const postings = await server().billing.ledger({ limit: 1000, ...(account ? { account } : {}) })
  if (json) return printJson(postings)
  const rows = postings.flatMap(({ key, at, entries }) =>
    entries.map((entry, index) => [index ? '' : key, index ? '' : at, entry.account, shown(entry.amount)]),
  )
  process.stdout.write(table([text.columnWhat, text.columnPeriod, text.columnAccount, text.columnAmount], rows))
}

/** Fails where anything is not what it should be. */
async function verify({ json }: { json?: boolean }): Promise<void> {
  const found = await server().billing.verify()
  if (found.differences.length > 0) process.exitCode = 1
  if (json) return printJson(found)
  const rows = found.differences.map((one) => [one.what, one.subject, one.currency, one.expected, one.found])
  const { columnWhat, columnItem, columnAmount, columnExpected, columnFound } = text
  if (rows.length > 0)
    process.stdout.write(table([columnWhat, columnItem, columnAmount, columnExpected, columnFound], rows))
  const { facts, invoices, postings, difference } = found
  process.stdout.write(`${text.verifiedLine(facts, invoices, postings, difference)}\n`)
}

async function demo({ json }: { json?: boolean }): Promise<void> {
  const steps = await server().billing.demo()
  if (json) return printJson(steps)
  const rows = steps.map(({ step, what, amount = '' }, index) => [String(index + 1), step, amount, what])
  process.stdout.write(table(['', text.columnStep, text.columnAmount, text.columnWhat], rows))
}
