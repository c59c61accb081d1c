import type { WarrenEvent } from '@warren/sdk'
import type { Command } from 'commander'
import { interruption } from '../interruption.ts'
import { text } from '../messages.ts'
import { repeated } from '../options.ts'
import { harmless } from '../output/harmless.ts'
import { server } from '../server.ts'

export function addEvents(parent: Command): void {
  parent
    .command('events')
    .description(text.events)
    .option('-f, --follow', text.optionFollowEvents)
    .option('--after <id>', text.optionAfterEvent)
    .option('--type <type>', text.optionEventType, repeated)
    .option('--json', text.optionJsonLines)
    .action(events)
}

async function events(flags: { follow?: boolean; after?: string; type?: string[]; json?: boolean }): Promise<void> {
  const { follow, after, type: types, json } = flags
  const print = (event: WarrenEvent) => void process.stdout.write(`${json ? JSON.stringify(event) : lineOf(event)}\n`)
  if (!follow) {
    for (const event of await server().events.list({ after, types, limit: 1000 })) print(event)
    return
  }
  const { signal } = interruption()
  try {
    for await (const event of server().events.follow({ after, types, signal })) print(event)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function lineOf({ id, timestamp, type, subject, data }: WarrenEvent): string {
  return harmless(`${id}  ${timestamp}  ${type}  ${subject}  ${JSON.stringify(data)}`)
}
