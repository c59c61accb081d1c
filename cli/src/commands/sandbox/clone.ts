import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'
import { type CopyFlags, withCopyOptions } from './fork.ts'

export function addClone(parent: Command): void {
  withCopyOptions(parent.command('clone')).description(text.clone).action(clone)
}

/** The id alone goes to stdout. */
async function clone(id: string, { json, ...options }: CopyFlags): Promise<void> {
  const sandbox = await server().sandboxes.get(id)
  const copy = await withProgress(text.forking, () => sandbox.clone(options))
  if (json) printJson(copy.info)
  else process.stdout.write(`${copy.id}\n`)
}
