import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { type CreateFlags, createOptions, warnOfUnenforced, withCreateOptions } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addCreate(parent: Command): void {
  withCreateOptions(parent.command('create')).description(text.create).option('--json', text.optionJson).action(create)
}

/** The id alone goes to stdout, so that `id=$(warren sandbox create)` works; advice goes to stderr. */
async function create(flags: CreateFlags & { json?: boolean }): Promise<void> {
  const { id, info } = await withProgress(text.creating, () => server().sandboxes.create(createOptions(flags)))
  warnOfUnenforced(flags, info)
  if (flags.json) return printJson(info)
  process.stdout.write(`${id}\n`)
  if (process.stdout.isTTY) process.stderr.write(`${text.created(id)}\n`)
}
