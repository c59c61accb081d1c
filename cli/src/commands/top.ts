import { setTimeout as sleep } from 'node:timers/promises'
import type { TopSandbox } from '@warren/sdk'
import type { Command } from 'commander'
import { interruption } from '../interruption.ts'
import { text } from '../messages.ts'
import { positive } from '../options.ts'
import { printJson } from '../output/print.ts'
import { shortSize } from '../output/quantity.ts'
import { table } from '../output/table.ts'
import { server } from '../server.ts'

const home = '\x1b[H'
const clearBelow = '\x1b[J'
const clearLine = '\x1b[K'

export function addTop(parent: Command): void {
  parent
    .command('top')
    .description(text.top)
    .option('--once', text.optionOnce)
    .option('--every <seconds>', text.optionEvery, positive, 2)
    .option('--json', text.optionJson)
    .action(top)
}

/** Until it is interrupted; once where nobody looks at a terminal. */
async function top({ once, every, json }: { once?: boolean; every: number; json?: boolean }): Promise<void> {
  const warren = server()
  if (json) return printJson(await warren.top())
  if (once || !process.stdout.isTTY) return void process.stdout.write(described(await warren.top()))
  const { signal } = interruption()
  process.stdout.write(`${home}${clearBelow}`)
  while (!signal.aborted) {
    const lines = described(await warren.top()).replaceAll('\n', `${clearLine}\n`)
    process.stdout.write(`${home}${lines}${clearBelow}`)
    await sleep(every * 1000, undefined, { signal }).catch(() => {})
  }
}

function described(sandboxes: TopSandbox[]): string {
  const head = [
    text.columnId,
    text.columnTemplate,
    text.columnRuntime,
    text.columnCpu,
    text.columnMemory,
    text.columnDisk,
  ]
  const rows = sandboxes
    .slice(0, Math.max(1, (process.stdout.rows ?? 1000) - 2))
    .map((sandbox) => [
      sandbox.id,
      sandbox.template,
      sandbox.driver,
      `${sandbox.cpuPercent.toFixed(1)}%`,
      `${shortSize(sandbox.memoryBytes)} / ${shortSize(sandbox.memoryLimitBytes)}`,
      shortSize(sandbox.diskBytes),
    ])
  return table(head, rows)
}
