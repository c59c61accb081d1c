import type { Command } from 'commander'
import { attempted } from '../../attempted.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addRemove(parent: Command): void {
  parent
    .command('remove')
    .alias('rm')
    .description(text.templateRemove)
    .argument('<template...>', text.argumentTemplates)
    .option('--json', text.optionJson)
    .action(remove)
}

async function remove(names: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { templates } = server()
  const removed: string[] = []
  for (const name of names) {
    if (await attempted(() => templates.remove(name), { json, done: text.deleted(name) })) removed.push(name)
  }
  if (json) printJson({ removed })
}
