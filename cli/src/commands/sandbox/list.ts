import type { SandboxInfo, SandboxState } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { text } from '../../messages.ts'
import { pair } from '../../options.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description(text.list)
    .addOption(new Option('--state <state>', text.optionState).choices(states))
    .option('-m, --metadata <name=value>', text.optionMetadata, pair)
    .option('-q, --quiet', text.optionQuiet)
    .option('--json', text.optionJson)
    .action(list)
}

const states: SandboxState[] = ['starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'failed']

interface Flags {
  state?: SandboxState
  metadata?: Record<string, string>
  quiet?: boolean
  json?: boolean
}

async function list({ state, metadata, quiet, json }: Flags): Promise<void> {
  const found = (await server().sandboxes.list({ state, metadata })).map(({ info }) => info)
  if (json) printJson(found)
  else if (quiet) process.stdout.write(found.map(({ id }) => `${id}\n`).join(''))
  else if (found.length === 0) process.stderr.write(`${text.noSandboxes}\n`)
  else {
    const { columnId, columnState, columnTemplate, columnRuntime, columnAge, columnLeft, columnMetadata } = text
    const head = [columnId, columnState, columnTemplate, columnRuntime, columnAge, columnLeft, columnMetadata]
    process.stdout.write(table(head, found.map(rowOf)))
  }
}

function rowOf(info: SandboxInfo): string[] {
  const now = Date.now()
  return [
    info.id,
    info.endReason ? `${info.state} (${info.endReason})` : info.state,
    info.template,
    info.runtime?.driver ?? '',
    shortDuration(now - Date.parse(info.createdAt)),
    shortDuration(Date.parse(info.expiresAt) - now),
    Object.entries(info.metadata)
      .map(([name, value]) => `${name}=${value}`)
      .join(' '),
  ]
}
