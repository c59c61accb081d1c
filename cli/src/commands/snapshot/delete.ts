import type { Command } from 'commander'
import { explain } from '../../explain.ts'
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

/** Goes on after a failure, and fails in the end if there was one. */
async function remove(ids: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { snapshots } = server()
  const deleted: string[] = []
  await Promise.all(
    ids.map(async (id) => {
      try {
        await snapshots.delete(id)
        deleted.push(id)
        if (!json) process.stdout.write(`${text.deleted(id)}\n`)
      } catch (error) {
        explain(error, json)
        process.exitCode = 1
      }
    }),
  )
  if (json) printJson({ deleted })
}
