import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { harmless } from '../../output/harmless.ts'
import { printJson } from '../../output/print.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

export function addList(parent: Command): void {
  parent.command('list').alias('ls').description(text.templateList).option('--json', text.optionJson).action(list)
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const found = await server().templates.list()
  if (json) return printJson(found)
  const { columnName, columnState, columnTags, columnProgress } = text
  const rows = found.map(({ name, state, tags, progress }) => [
    name,
    state,
    tags.join(', '),
    harmless(progress ?? '').slice(0, 80),
  ])
  process.stdout.write(table([columnName, columnState, columnTags, columnProgress], rows))
}
