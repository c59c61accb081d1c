import type { Command } from 'commander'
import { explain } from '../../explain.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addDelete(parent: Command): void {
  parent
    .command('delete')
    .alias('rm')
    .description(text.fnDelete)
    .argument('<name...>', text.argumentFunctions)
    .option('--json', text.optionJson)
    .action(remove)
}

/** Goes on after a failure, and fails in the end if there was one. */
async function remove(names: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { functions } = server()
  const deleted: string[] = []
  for (const name of names) {
    try {
      await functions.delete(name)
      deleted.push(name)
      if (!json) process.stdout.write(`${text.deleted(name)}\n`)
    } catch (error) {
      explain(error, json)
      process.exitCode = 1
    }
  }
  if (json) printJson({ deleted })
}
