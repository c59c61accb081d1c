import type { AuditQuery } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { printJson, writeAll } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

/** list, export and verify. */
export function addAudit(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description(text.auditList)
    .option('--actor <id>', text.optionActor)
    .option('--action <verb>', text.optionAction)
    .option('--subject <id>', text.optionSubject)
    .option('--from <time>', text.optionFrom)
    .option('--to <time>', text.optionTo)
    .option('--limit <number>', text.optionLimit, wholePositive)
    .option('--json', text.optionJson)
    .action(list)
  parent.command('export').description(text.auditExport).action(exportAll)
  parent.command('verify').description(text.auditVerify).option('--json', text.optionJson).action(verify)
}

async function list({ json, ...query }: AuditQuery & { json?: boolean }): Promise<void> {
  const { entries } = await server().audit.list(query)
  if (json) return printJson(entries)
  if (entries.length === 0) return void process.stderr.write(`${text.noAudit}\n`)
  const rows = entries.map(({ at, actorKind, actor, action, subject, outcome, address }) => [
    at,
    actor === actorKind ? actor : `${actorKind} ${actor}`,
    action,
    subject,
    outcome,
    address,
  ])
  const { columnTime, columnWho, columnAction, columnSubject, columnOutcome, columnAddress } = text
  process.stdout.write(table([columnTime, columnWho, columnAction, columnSubject, columnOutcome, columnAddress], rows))
}

async function exportAll(): Promise<void> {
  for await (const chunk of await server().audit.export()) await writeAll(process.stdout, chunk)
}

/** Its exit code is 1 where the chain is broken. */
async function verify({ json }: { json?: boolean }): Promise<void> {
  const verdict = await server().audit.verify()
  if (json) printJson(verdict)
  else if (verdict.whole) process.stdout.write(`${text.auditWhole(verdict.entries, verdict.head)}\n`)
  else process.stdout.write(`${text.auditBroken(verdict.brokenAt ?? 0)}\n`)
  if (!verdict.whole) process.exit(1)
}
