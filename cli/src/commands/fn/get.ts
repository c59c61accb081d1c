import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addGet(parent: Command): void {
  parent
    .command('get')
    .description(text.fnGet)
    .argument('<name>', text.argumentFunction)
    .option('--json', text.optionJson)
    .action(get)
}

async function get(name: string, { json }: { json?: boolean }): Promise<void> {
  const found = await server().functions.get(name)
  if (json) return printJson(found)
  const { live, versions, counts, measured } = found
  const settings = versions.find(({ version }) => version === (measured?.version ?? live[0]?.version))?.settings
  const used = (what: 'memoryMb' | 'cpuCores') => {
    if (!measured) return `${settings?.[what] ?? ''}`
    const { suggestion } = measured
    const use = text.measuredUse(measured[what].p95, measured[what].max)
    return `${settings?.[what] ?? ''} (${use}${suggestion ? text.suggestedValue(suggestion[what]) : ''})`
  }
  process.stdout.write(
    table(
      [text.columnName, found.name],
      [
        [text.columnRuntime, found.runtime],
        [text.columnLive, live.map(({ version, weight }) => `${version} (${weight} %)`).join(', ')],
        [text.rowUrl, found.url],
        [text.rowCalls, `${counts.invocations}`],
        [text.columnErrors, `${counts.errors}`],
        [text.rowMemory, used('memoryMb')],
        [text.rowCpu, used('cpuCores')],
      ],
    ),
  )
}
