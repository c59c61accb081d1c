import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { repeated } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'
import { secretValue } from './value.ts'

interface Options {
  host?: string[]
  fromEnv?: string
  keepValue?: boolean
  json?: boolean
}

export function addUpdate(parent: Command): void {
  parent
    .command('update')
    .description(text.secretUpdate)
    .argument('<secret>', text.argumentSecret)
    .option('--host <name>', text.optionSecretHost, repeated)
    .option('--from-env <variable>', text.optionFromEnv)
    .option('--keep-value', text.optionKeepValue)
    .option('--json', text.optionJson)
    .action(update)
}

async function update(secret: string, { host, fromEnv, keepValue, json }: Options): Promise<void> {
  const value = keepValue ? undefined : await secretValue(fromEnv)
  const updated = await server().secrets.update(secret, { value, hosts: host })
  if (json) printJson(updated)
  else process.stdout.write(`${text.secretUpdated(updated.name, updated.version)}\n`)
}
