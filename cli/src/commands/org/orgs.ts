import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server, serverUrl } from '../../server.ts'
import { keepSession, sessionAt } from '../../session.ts'
import { usedOrg } from './used-org.ts'

/** list, create and use. */
export function addOrgs(parent: Command): void {
  parent.command('list').alias('ls').description(text.orgList).option('--json', text.optionJson).action(list)
  parent
    .command('create')
    .description(text.orgCreate)
    .argument('<name>', text.argumentOrgName)
    .option('--max-sandboxes <number>', text.optionMaxSandboxes, wholePositive)
    .option('--json', text.optionJson)
    .action(create)
  parent.command('use').description(text.orgUse).argument('<org>', text.argumentOrg).action(use)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const orgs = await server().orgs.list()
  if (json) return printJson(orgs)
  const used = await usedOrg()
  const rows = orgs.map(({ id, name, maxSandboxes }) => [id === used ? '*' : '', id, name, String(maxSandboxes)])
  process.stdout.write(table(['', text.columnId, text.columnName, text.columnMaxSandboxes], rows))
}

async function create(name: string, { maxSandboxes, json }: { maxSandboxes?: number; json?: boolean }): Promise<void> {
  const org = await server().orgs.create(name, { maxSandboxes })
  if (json) printJson(org)
  else process.stdout.write(`${org.id}\n`)
}

/** By id or name. Other commands act for it from then on. */
async function use(wanted: string): Promise<void> {
  const orgs = await server().orgs.list()
  const found = orgs.find(({ id, name }) => id === wanted || name === wanted)
  const session = sessionAt(serverUrl())
  if (!found || !session) throw new Error(session ? text.noSuchOrg(wanted) : text.notSignedIn)
  keepSession({ ...session, organisation: found.id })
}
