import type { Command } from 'commander'
import { attempted } from '../../attempted.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addDelete(parent: Command): void {
  parent
    .command('delete')
    .alias('rm')
    .description(text.bucketDelete)
    .argument('<bucket...>', text.argumentBuckets)
    .option('--json', text.optionJson)
    .action(remove)
}

async function remove(names: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { buckets } = server()
  const deleted: string[] = []
  for (const name of names) {
    if (await attempted(() => buckets.delete(name), { json, done: text.deleted(name) })) deleted.push(name)
  }
  if (json) printJson({ deleted })
}
