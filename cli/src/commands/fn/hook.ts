import type { HookScheme } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { repeated, wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

interface HookFlags {
  scheme?: string
  secret?: string[]
  signatureHeader?: string
  idHeader?: string
  tolerance?: number
  delete?: string
  json?: boolean
}

export function addHook(parent: Command): void {
  parent
    .command('hook')
    .description(text.fnHook)
    .argument('<name>', text.argumentFunction)
    .option('--scheme <scheme>', text.optionScheme)
    .option('--secret <name>', text.optionHookSecret, repeated)
    .option('--signature-header <name>', text.optionSignatureHeader)
    .option('--id-header <name>', text.optionIdHeader)
    .option('--tolerance <seconds>', text.optionTolerance, wholePositive)
    .option('--delete <id>', text.optionDeleteHook)
    .option('--json', text.optionJson)
    .action(hook)
}

async function hook(name: string, { json, ...flags }: HookFlags): Promise<void> {
  const { functions } = server()
  if (flags.delete !== undefined) return functions.deleteHook(name, flags.delete)
  if (flags.scheme !== undefined) {
    const { scheme, secret, signatureHeader, idHeader, tolerance } = flags
    const made = await functions.createHook(name, {
      scheme: scheme as HookScheme,
      ...(secret === undefined ? {} : { secrets: secret }),
      ...(signatureHeader === undefined ? {} : { signatureHeader }),
      ...(idHeader === undefined ? {} : { idHeader }),
      ...(tolerance === undefined ? {} : { toleranceSeconds: tolerance }),
    })
    return json ? printJson(made) : void process.stdout.write(`${made.url}\n`)
  }
  const found = await functions.hooks(name)
  if (json) return printJson(found)
  const rows = found.map((one) => [one.id, one.scheme, one.secrets.join(' '), one.url ?? ''])
  process.stdout.write(table([text.columnId, text.columnScheme, text.columnHookSecrets, text.columnUrl], rows))
}
