import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

interface ScheduleFlags {
  timeZone?: string
  delete?: string
  json?: boolean
}

export function addSchedule(parent: Command): void {
  parent
    .command('schedule')
    .description(text.fnSchedule)
    .argument('<name>', text.argumentFunction)
    .argument('[cron]', text.argumentCron)
    .option('--time-zone <zone>', text.optionTimeZone)
    .option('--delete <id>', text.optionDeleteSchedule)
    .option('--json', text.optionJson)
    .action(schedule)
}

/** Without an expression those that there are. */
async function schedule(
  name: string,
  cron: string | undefined,
  { timeZone, json, ...flags }: ScheduleFlags,
): Promise<void> {
  const { functions } = server()
  if (flags.delete !== undefined) return functions.deleteSchedule(name, flags.delete)
  if (cron !== undefined) {
    const made = await functions.schedule(name, { cron, ...(timeZone === undefined ? {} : { timeZone }) })
    return json ? printJson(made) : void process.stdout.write(`${made.id}\n`)
  }
  const found = await functions.schedules(name)
  if (json) return printJson(found)
  const rows = found.map((one) => [one.id, one.cron, one.timeZone, one.nextAt ?? ''])
  process.stdout.write(table([text.columnId, text.columnCron, text.columnTimeZone, text.columnNext], rows))
}
