import type { Command } from 'commander'
import { attempted } from '../../attempted.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addDelete(parent: Command): void {
  parent
    .command('delete')
    .alias('rm')
    .description(text.objectDelete)
    .argument('<bucket>', text.argumentBucket)
    .argument('<key...>', text.argumentObjectKeys)
    .option('--json', text.optionJson)
    .action(remove)
}

async function remove(bucket: string, keys: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { objects } = server()
  const deleted: string[] = []
  for (const key of keys) {
    if (await attempted(() => objects.delete(bucket, key), { json, done: text.deleted(key) })) deleted.push(key)
  }
  if (json) printJson({ deleted })
}
