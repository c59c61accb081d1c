import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholeDuration } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addSign(parent: Command): void {
  parent
    .command('sign')
    .description(text.objectSign)
    .argument('<bucket>', text.argumentBucket)
    .argument('<key>', text.argumentObjectKey)
    .option('--put', text.optionSignPut)
    .option('--delete', text.optionSignDelete)
    .option('--expires <duration>', text.optionSignExpires, wholeDuration)
    .option('--json', text.optionJson)
    .action(sign)
}

interface SignFlags {
  put?: boolean
  delete?: boolean
  expires?: number
  json?: boolean
}

/** The address alone goes to stdout. */
async function sign(bucket: string, key: string, flags: SignFlags): Promise<void> {
  const method = flags.put ? 'PUT' : flags.delete ? 'DELETE' : 'GET'
  const signed = await server().objects.sign(bucket, key, { method, expiresInSeconds: flags.expires })
  if (flags.json) printJson(signed)
  else process.stdout.write(`${signed.url}\n`)
}
