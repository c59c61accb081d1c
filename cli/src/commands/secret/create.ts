import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { repeated } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'
import { secretValue } from './value.ts'

interface Options {
  host?: string[]
  fromEnv?: string
  json?: boolean
}

export function addCreate(parent: Command): void {
  parent
    .command('create')
    .description(text.secretCreate)
    .argument('<name>', text.argumentSecretName)
    .option('--host <name>', text.optionSecretHost, repeated)
    .option('--from-env <variable>', text.optionFromEnv)
    .option('--json', text.optionJson)
    .action(create)
}

/** The id alone goes to stdout. */
async function create(name: string, { host, fromEnv, json }: Options): Promise<void> {
  const secret = await server().secrets.create(name, await secretValue(fromEnv), { hosts: host })
  if (json) printJson(secret)
  else process.stdout.write(`${secret.id}\n`)
}
