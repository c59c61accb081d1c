import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

interface SubscribeFlags {
  subject?: string
  delete?: string
  json?: boolean
}

export function addSubscribe(parent: Command): void {
  parent
    .command('subscribe')
    .description(text.fnSubscribe)
    .argument('<name>', text.argumentFunction)
    .argument('[event...]', text.argumentEvents)
    .option('--subject <id>', text.optionEventSubject)
    .option('--delete <id>', text.optionDeleteTrigger)
    .option('--json', text.optionJson)
    .action(subscribe)
}

/** Without an event those that there are. */
async function subscribe(name: string, events: string[], { subject, json, ...flags }: SubscribeFlags): Promise<void> {
  const { functions } = server()
  if (flags.delete !== undefined) return functions.deleteEventTrigger(name, flags.delete)
  if (events.length > 0) {
    const made = await functions.triggerOnEvents(name, { events, ...(subject === undefined ? {} : { subject }) })
    return json ? printJson(made) : void process.stdout.write(`${made.id}\n`)
  }
  const found = await functions.eventTriggers(name)
  if (json) return printJson(found)
  const rows = found.map((one) => [one.id, one.events.join(' '), one.subject ?? ''])
  process.stdout.write(table([text.columnId, text.columnOn, text.columnAbout], rows))
}
