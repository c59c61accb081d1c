import type { Command } from 'commander'
import { explain } from '../../explain.ts'
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

/** Goes on after a failure, and fails in the end if there was one. */
async function kill(ids: string[], { json = false }: { json?: boolean }): Promise<void> {
  const { sandboxes } = server()
  const killed: string[] = []
  await Promise.all(
    ids.map(async (id) => {
      try {
        await (await sandboxes.get(id)).kill()
        killed.push(id)
        if (!json) process.stdout.write(`${text.killed(id)}\n`)
      } catch (error) {
        explain(error, json)
        process.exitCode = 1
      }
    }),
  )
  if (json) printJson({ killed })
}
