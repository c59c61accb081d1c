import type { ObjectInfo } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration, shortSize } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description(text.objectList)
    .argument('<bucket>', text.argumentBucket)
    .argument('[prefix]', text.argumentPrefix)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

async function list(
  bucket: string,
  prefix: string | undefined,
  { quiet, json }: { quiet?: boolean; json?: boolean },
): Promise<void> {
  const found: ObjectInfo[] = []
  for await (const object of server().objects.listAll(bucket, { prefix })) found.push(object)
  if (json) return printJson(found)
  if (quiet) return void process.stdout.write(found.map(({ key }) => `${key}\n`).join(''))
  const { columnObjectKey, columnSize, columnType, columnAge } = text
  const rows = found.map(({ key, sizeBytes, contentType, modifiedAt }) => [
    key,
    shortSize(sizeBytes),
    contentType,
    shortDuration(Date.now() - Date.parse(modifiedAt)),
  ])
  process.stdout.write(table([columnObjectKey, columnSize, columnType, columnAge], rows))
}
