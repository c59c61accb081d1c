import { readFile } from 'node:fs/promises'
import { type AgentDocument, WarrenError } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { text } from '../../messages.ts'
import { wholePositive } from '../../options.ts'
import { harmless } from '../../output/harmless.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { server } from '../../server.ts'

/** What agents can look up. */
export function addDocuments(document: Command): void {
  document
    .command('add')
    .description(text.memoryAddDocument)
    .argument('<agent>', text.argumentAgentName)
    .argument('<files...>', text.argumentDocumentFiles)
    .option('--name <name>', text.optionDocumentName)
    .addOption(new Option('--kind <kind>', text.optionDocumentKind).choices(['markdown', 'code', 'text']))
    .option('--json', text.optionJson)
    .action(add)
  document
    .command('list')
    .alias('ls')
    .description(text.memoryDocuments)
    .argument('<agent>', text.argumentAgentName)
    .option('--json', text.optionJson)
    .action(list)
  document
    .command('search')
    .description(text.memorySearch)
    .argument('<agent>', text.argumentAgentName)
    .argument('<question>', text.argumentQuestion)
    .option('--limit <n>', text.optionMost, wholePositive)
    .option('--tokens <n>', text.optionTokens, wholePositive)
    .option('--json', text.optionJson)
    .action(search)
  document
    .command('delete')
    .alias('rm')
    .description(text.memoryDeleteDocument)
    .argument('<agent>', text.argumentAgentName)
    .argument('<document>', text.argumentDocument)
    .action(remove)
}

async function add(
  agent: string,
  files: string[],
  { name, kind, json }: { name?: string; kind?: AgentDocument['kind']; json?: boolean },
): Promise<void> {
  if (name !== undefined && files.length > 1) throw new WarrenError('invalid_request', text.oneNameOneFile)
  const added: AgentDocument[] = []
  for (const path of files) {
    const document = await server().agents.putDocument(agent, { name: name ?? path, text: await textOf(path), kind })
    added.push(document)
    if (!json) process.stdout.write(`${document.id}\n`)
  }
  if (json) printJson(added)
}

async function textOf(path: string): Promise<string> {
  const bytes = await readFile(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new WarrenError('invalid_request', text.documentNotText(path))
  }
}

async function list(agent: string, { json }: { json?: boolean }): Promise<void> {
  const found = await server().agents.documents(agent)
  if (json) return printJson(found)
  if (found.length === 0) return void process.stderr.write(`${text.noDocuments}\n`)
  const rows = found.map(({ id, name, kind, bytes, at }) => {
    return [id, kind, String(bytes), shortDuration(Date.now() - Date.parse(at)), harmless(name)]
  })
  process.stdout.write(
    table([text.columnId, text.columnDocumentKind, text.columnBytes, text.columnAge, text.columnName], rows),
  )
}

async function search(
  agent: string,
  question: string,
  { json, ...most }: { limit?: number; tokens?: number; json?: boolean },
): Promise<void> {
  const found = await server().agents.passages(agent, question, most)
  if (json) return printJson(found)
  if (found.passages.length === 0) return void process.stderr.write(`${text.noPassages}\n`)
  const shown = found.passages.map(({ name, headings, firstLine, lastLine, text: passage }) => {
    const head = [`${name}:${firstLine}-${lastLine}`, ...headings].join(' > ')
    return `${[head, ...passage.split('\n')].map(harmless).join('\n')}\n`
  })
  process.stdout.write(shown.join('\n'))
}

async function remove(agent: string, document: string): Promise<void> {
  const { agents } = server()
  const named = (await agents.documents(agent)).find(({ id, name }) => id === document || name === document)
  await agents.deleteDocument(agent, named?.id ?? document)
}
