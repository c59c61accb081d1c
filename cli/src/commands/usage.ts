import type { UsageAmounts, UsageGrouping, UsageReport } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { text } from '../messages.ts'
import { printJson } from '../output/print.ts'
import { shortDuration, shortSize } from '../output/quantity.ts'
import { table } from '../output/table.ts'
import { server } from '../server.ts'

const groupings: UsageGrouping[] = ['none', 'kind', 'subject', 'template', 'state', 'hour', 'day']
const hourMs = 3_600_000

export function addUsage(parent: Command): void {
  parent
    .command('usage')
    .description(text.usage)
    .option('--from <time>', text.optionUsageFrom)
    .option('--to <time>', text.optionUsageTo)
    .addOption(new Option('--group <what>', text.optionUsageGroup).choices(groupings).default('kind'))
    .option('--json', text.optionJson)
    .action(usage)
}

async function usage(flags: { from?: string; to?: string; group: UsageGrouping; json?: boolean }): Promise<void> {
  const report = await server().usage({ from: flags.from, to: flags.to, group: flags.group })
  if (flags.json) return printJson(report)
  process.stdout.write(table(headOf(), rowsOf(report)))
}

function headOf(): string[] {
  const { columnUsageOf, columnUsageTime, columnUsageCpu, columnUsageMemory, columnUsageHeld, columnUsageDisk } = text
  return [
    columnUsageOf,
    columnUsageTime,
    columnUsageCpu,
    columnUsageMemory,
    columnUsageHeld,
    columnUsageDisk,
    text.columnIn,
    text.columnOut,
  ]
}

function rowsOf({ groups, total, open }: UsageReport): string[][] {
  return [
    ...groups.map((group) => row(group.key, group)),
    row(text.usageTotal, total),
    ...(open.facts > 0 ? [row(text.usageOpen, open)] : []),
  ]
}

function row(key: string, used: UsageAmounts): string[] {
  const gibHours = (mbMs: number) => (mbMs / 1024 / hourMs).toFixed(3)
  return [
    key,
    shortDuration(used.durationMs),
    `${(used.cpuMs / 1000).toFixed(1)}s`,
    gibHours(used.memoryMbMs),
    gibHours(used.memoryHeldMbMs),
    gibHours(used.diskMbMs),
    shortSize(used.networkInBytes),
    shortSize(used.networkOutBytes),
  ]
}
