import { createReadStream, existsSync } from 'node:fs'
import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addImport(parent: Command): void {
  parent
    .command('import')
    .description(text.snapshotImport)
    .argument('<file>', text.argumentFile)
    .option('--name <name>', text.optionName)
    .option('--json', text.optionJson)
    .action(importFrom)
}

/** The id alone goes to stdout. */
async function importFrom(file: string, { name, json }: { name?: string; json?: boolean }): Promise<void> {
  if (file !== '-' && !existsSync(file)) throw new WarrenError('not_found', text.noSuchFile(file))
  const content = file === '-' ? process.stdin : createReadStream(file)
  const snapshot = await withProgress(text.copying, () => server().snapshots.import(content, { name }))
  if (json) printJson(snapshot)
  else process.stdout.write(`${snapshot.id}\n`)
}
