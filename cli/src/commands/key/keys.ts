import type { Role } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { text } from '../../messages.ts'
import { wholeDuration } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'
import { roles } from '../org/members.ts'

interface CreateFlags {
  role?: Role
  scope?: string[]
  expires?: number
  serviceAccount?: string
  json?: boolean
}

/** create, list and revoke. */
export function addKeys(parent: Command): void {
  parent
    .command('create')
    .description(text.keyCreate)
    .argument('<name>', text.argumentKeyName)
    .addOption(new Option('--role <role>', text.optionRole).choices(roles))
    .option('--scope <permission>', text.optionScope, (one: string, before: string[] = []) => [...before, one])
    .option('--expires <time>', text.optionExpires, wholeDuration)
    .option('--service-account <name>', text.optionServiceAccount)
    .option('--json', text.optionJson)
    .action(create)
  parent.command('list').alias('ls').description(text.keyList).option('--json', text.optionJson).action(list)
  parent
    .command('revoke')
    .description(text.keyRevoke)
    .argument('<key>', text.argumentKey)
    .action((id: string) => server().keys.revoke(id))
}

/** The key alone goes to stdout. */
async function create(name: string, { role, scope, expires, serviceAccount, json }: CreateFlags): Promise<void> {
  const options = { role, scopes: scope, expiresInSeconds: expires, serviceAccount }
  const made = await server().keys.create(name, options)
  if (json) return printJson(made)
  process.stdout.write(`${made.key}\n`)
  process.stderr.write(`${text.keyShownOnce}\n`)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const keys = await server().keys.list()
  if (json) return printJson(keys)
  if (keys.length === 0) return void process.stderr.write(`${text.noKeys}\n`)
  const age = (time: string | undefined) => (time ? shortDuration(Date.now() - Date.parse(time)) : '-')
  const rows = keys.map(({ id, name, masked, role, scopes, expiresAt, lastUsedAt }) => [
    id,
    name,
    masked,
    role,
    scopes?.join(' ') ?? '*',
    expiresAt ?? '-',
    age(lastUsedAt),
  ])
  const { columnId, columnName, columnKey, columnRole, columnScopes, columnExpires, columnUsed } = text
  process.stdout.write(
    table([columnId, columnName, columnKey, columnRole, columnScopes, columnExpires, columnUsed], rows),
  )
}
