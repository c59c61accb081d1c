import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import type { ExchangesReport } from '../../../../platform/src/models/check-exchanges.ts'
import { text } from '../../messages.ts'
import { harmless } from '../../output/harmless.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'

export function addModelsCheck(models: Command): void {
  models
    .command('check')
    .description(text.modelsCheck)
    .requiredOption('--exchanges <file>', text.optionExchanges)
    .option('--json', text.optionJson)
    .addHelpText('after', `\n${text.modelsCheckHelp}`)
    .action(check)
}

/** Needs no server. Exits 0 exactly when every exchange passes. */
async function check({ exchanges: path, json }: { exchanges: string; json?: boolean }): Promise<void> {
  // Loaded here: other commands shall not wait for parts of the platform.
  const { checkExchanges } = await import('../../../../platform/src/models/check-exchanges.ts')
  const report = await checkExchanges(linesOf(path))
  process.exitCode = report.ok ? 0 : 1
  if (json) printJson(report)
  else print(report)
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = path === '-' ? process.stdin : createReadStream(path)
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    throw new Error(text.exchangesUnreadable(path, (error as NodeJS.ErrnoException).code ?? String(error)))
  }
}

function print({ ok, apis, exchanges }: ExchangesReport): void {
  const rows = Object.entries(apis).map(([api, { pass, passed, failed }]) => [
    api,
    pass ? text.passes : text.passesNot,
    String(passed),
    String(failed),
  ])
  const { columnApi, columnVerdict, columnPassed, columnFailed } = text
  if (rows.length > 0) process.stdout.write(table([columnApi, columnVerdict, columnPassed, columnFailed], rows))
  for (const { line, api, pass, reason } of exchanges)
    if (!pass) process.stdout.write(`${harmless(text.exchangeFailed(line, api, reason ?? ''))}\n`)
  if (exchanges.length === 0) process.stdout.write(`${text.noExchanges}\n`)
  else process.stdout.write(`\n${ok ? text.exchangesPass(exchanges.length) : text.exchangesFail}\n`)
}
