import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addCreate(parent: Command): void {
  parent
    .command('create')
    .description(text.volumeCreate)
    .argument('<name>', text.argumentVolumeName)
    .option('--size <mb>', text.optionVolumeSize, wholePositive)
    .option('--json', text.optionJson)
    .action(create)
}

/** The id alone goes to stdout. */
async function create(name: string, { size, json }: { size?: number; json?: boolean }): Promise<void> {
  const volume = await server().volumes.create(name, { sizeMb: size })
  if (json) printJson(volume)
  else process.stdout.write(`${volume.id}\n`)
}
