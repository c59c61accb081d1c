import type { LogEntry } from '@warren/sdk'
import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { writeAll } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addLogs(parent: Command): void {
  parent
    .command('logs')
    .description(text.logs)
    .argument('<id>', text.argumentId)
    .option('-f, --follow', text.optionFollow)
    .option('--after <seq>', text.optionAfter, Number)
    .option('--json', text.optionJson)
    .action(logs)
}

/** With `--json` one document per line, so that following works too. */
async function logs(
  id: string,
  { follow, after, json }: { follow?: boolean; after?: number; json?: boolean },
): Promise<void> {
  const { signal } = interruption()
  const sandbox = await server().sandboxes.get(id)
  const entries = follow ? sandbox.followLogs({ after, signal }) : await sandbox.logs({ after })
  try {
    for await (const entry of entries)
      await writeAll(process.stdout, json ? `${JSON.stringify(entry)}\n` : lineOf(entry))
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function lineOf({ at, processId, stream, text }: LogEntry): string {
  return `${at} ${processId.padStart(4)} ${stream.padEnd(6)} ${text.replace(/\n$/, '')}\n`
}
