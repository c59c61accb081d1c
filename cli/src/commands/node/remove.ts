import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { server } from '../../server.ts'

export function addRemove(parent: Command): void {
  parent.command('remove').alias('rm').description(text.nodeRemove).argument('<node>', text.argumentNode).action(remove)
}

async function remove(node: string): Promise<void> {
  process.stdout.write(`${text.nodeRemoved(await server().nodes.remove(node))}\n`)
}
