import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { agentArgument } from '../../runs/agent-argument.ts'
import { server } from '../../server.ts'

export function addManage(parent: Command): void {
  parent.command('put').description(text.agentPut).argument('<file>', text.argumentAgentFile).action(put)
  parent.command('list').alias('ls').description(text.agentList).option('--json', text.optionJson).action(list)
  parent.command('show').description(text.agentShow).argument('<agent>', text.argumentAgentName).action(show)
  parent.command('delete').description(text.agentDelete).argument('<agent>', text.argumentAgentName).action(remove)
}

async function put(file: string): Promise<void> {
  const spec = agentArgument(file)
  if (typeof spec === 'string') throw new WarrenError('invalid_request', text.agentUnreadable(file, 'ENOENT'))
  process.stdout.write(`${(await server().agents.put(spec)).spec.name}\n`)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const found = await server().agents.list()
  if (json) printJson(found)
  else
    process.stdout.write(
      table(
        [text.columnName, text.columnTools, text.columnDescription],
        found.map(({ spec }) => [spec.name, (spec.tools ?? []).join(' '), spec.description ?? '']),
      ),
    )
}

async function show(name: string): Promise<void> {
  printJson((await server().agents.get(name)).spec)
}

async function remove(name: string): Promise<void> {
  await server().agents.delete(name)
}
