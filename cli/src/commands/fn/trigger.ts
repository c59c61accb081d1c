import type { StorageTriggerInfo } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { repeated } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

interface TriggerFlags {
  prefix?: string
  suffix?: string
  on?: string[]
  delete?: string
  json?: boolean
}

export function addTrigger(parent: Command): void {
  parent
    .command('trigger')
    .description(text.fnTrigger)
    .argument('<name>', text.argumentFunction)
    .argument('[bucket]', text.argumentBucket)
    .option('--prefix <prefix>', text.optionPrefix)
    .option('--suffix <suffix>', text.optionSuffix)
    .option('--on <event>', text.optionOn, repeated)
    .option('--delete <id>', text.optionDeleteTrigger)
    .option('--json', text.optionJson)
    .action(trigger)
}

/** Without a bucket those that there are. */
async function trigger(name: string, bucket: string | undefined, { json, on, ...flags }: TriggerFlags): Promise<void> {
  const { functions } = server()
  if (flags.delete !== undefined) return functions.deleteStorageTrigger(name, flags.delete)
  if (bucket !== undefined) {
    const { prefix, suffix } = flags
    const made = await functions.triggerOnStorage(name, {
      bucket,
      ...(prefix === undefined ? {} : { prefix }),
      ...(suffix === undefined ? {} : { suffix }),
      ...(on === undefined ? {} : { events: on as StorageTriggerInfo['events'] }),
    })
    return json ? printJson(made) : void process.stdout.write(`${made.id}\n`)
  }
  const found = await functions.storageTriggers(name)
  if (json) return printJson(found)
  const rows = found.map((one) => [one.id, one.bucket, one.prefix, one.suffix, one.events.join(' ')])
  const { columnId, columnBucket, columnPrefix, columnSuffix, columnOn } = text
  process.stdout.write(table([columnId, columnBucket, columnPrefix, columnSuffix, columnOn], rows))
}
