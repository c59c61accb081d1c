import type { Command } from 'commander'
import { attempted } from '../../attempted.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addKill(parent: Command): void {
  parent
    .command('kill')
    .alias('rm')
    .description(text.kill)
    .argument('<id...>', text.argumentIds)
    .option('--json', text.optionJson)
    .action(kill)
}

async function kill(ids: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { sandboxes } = server()
  const killed: string[] = []
  await Promise.all(
    ids.map(async (id) => {
      if (await attempted(async () => (await sandboxes.get(id)).kill(), { json, done: text.killed(id) }))
        killed.push(id)
    }),
  )
  if (json) printJson({ killed })
}
