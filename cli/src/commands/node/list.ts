import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent
    .command('list', { isDefault: true })
    .alias('ls')
    .description(text.nodeList)
    .option('--json', text.optionJson)
    .action(list)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const nodes = await server().nodes.list()
  if (json) return printJson(nodes)
  const rows = nodes.map(({ id, host, state, sandboxes, memoryMb, promisedMb }) => [
    id,
    host,
    state,
    ...[sandboxes, memoryMb, promisedMb].map(String),
  ])
  const { columnId, columnHost, columnState, columnSandboxes, columnMemoryMb, columnPromisedMb } = text
  const head = [columnId, columnHost, columnState, columnSandboxes, columnMemoryMb, columnPromisedMb]
  process.stdout.write(table(head, rows))
}
