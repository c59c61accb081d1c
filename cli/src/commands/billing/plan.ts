import { readFile } from 'node:fs/promises'
import type { BillingOverview, Plan } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'
import { shown } from './money.ts'

export function addPlan(root: Command): void {
  const plan = root.command('plan').description(text.plan).enablePositionalOptions()
  plan.helpCommand('help [command]', text.helpCommand)
  plan.command('show').description(text.planShow).option('--json', text.optionJson).action(show)
  plan.command('list').alias('ls').description(text.planList).option('--json', text.optionJson).action(list)
  plan
    .command('set')
    .description(text.planSet)
    .argument('<plan>', text.argumentPlan)
    .option('--currency <code>', text.optionCurrency)
    .option('--json', text.optionJson)
    .action(set)
  plan
    .command('write')
    .description(text.planWrite)
    .argument('<plan>', text.argumentPlan)
    .argument('<file>', text.argumentTerms)
    .option('--json', text.optionJson)
    .action(write)
}

/** A new version: who is on an older one stays on it. */
async function write(plan: string, file: string, { json }: { json?: boolean }): Promise<void> {
  const written = await server().billing.writePlan(plan, await readTerms<Plan['terms']>(file))
  if (json) printJson(written)
  else process.stdout.write(`${text.planLine(written.id, written.version)}\n`)
}

/** What a file of JSON says; the server checks it. */
export async function readTerms<T>(file: string): Promise<T> {
  const content = await readFile(file, 'utf8')
  try {
    return JSON.parse(content) as T
  } catch (error) {
    throw new Error(text.termsNotJson(file, (error as Error).message))
  }
}

async function show({ json }: { json?: boolean }): Promise<void> {
  print(await server().billing.overview(), json)
}

async function set(plan: string, { currency, json }: { currency?: string; json?: boolean }): Promise<void> {
  print(await server().billing.takePlan(plan, { currency }), json)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const plans = await server().billing.plans()
  if (json) return printJson(plans)
  const rows = plans.map(({ id, terms }) => [
    id,
    terms.name,
    Object.entries(terms.prices)
      .map(([currency, { monthly }]) => `${monthly} ${currency}`)
      .join(', '),
    String(terms.concurrency),
  ])
  process.stdout.write(table([text.columnId, text.columnName, text.columnMonthly, text.columnConcurrency], rows))
}

export function print(overview: BillingOverview, json: boolean | undefined): void {
  const { plan, wallet, spentThisMonth, softLimit, hardLimit } = overview
  const limit = (money: typeof softLimit) => (money ? shown(money) : text.noSpendLimit)
  const lines = [
    text.planLine(plan.id, plan.version),
    text.walletLine(shown(wallet), shown(spentThisMonth)),
    text.limitLine(limit(softLimit), limit(hardLimit)),
  ]
  if (json) printJson(overview)
  else process.stdout.write(`${lines.join('\n')}\n`)
}
