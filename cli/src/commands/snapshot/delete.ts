import type { Command } from 'commander'
import { attempted } from '../../attempted.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addDelete(parent: Command): void {
  parent
    .command('delete')
    .alias('rm')
    .description(text.snapshotDelete)
    .argument('<snapshot...>', text.argumentSnapshotIds)
    .option('--json', text.optionJson)
    .action(remove)
}

async function remove(ids: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { snapshots } = server()
  const deleted: string[] = []
  await Promise.all(
    ids.map(async (id) => {
      if (await attempted(() => snapshots.delete(id), { json, done: text.deleted(id) })) deleted.push(id)
    }),
  )
  if (json) printJson({ deleted })
}
