import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addCreate(parent: Command): void {
  parent
    .command('create')
    .description(text.snapshotCreate)
    .argument('<id>', text.argumentId)
    .option('--name <name>', text.optionName)
    .option('--json', text.optionJson)
    .action(create)
}

/** The id alone goes to stdout. */
async function create(id: string, { name, json }: { name?: string; json?: boolean }): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const snapshot = await withProgress(text.saving, () => sandbox.snapshot({ name }))
  if (json) printJson(snapshot)
  else process.stdout.write(`${snapshot.id}\n`)
}
