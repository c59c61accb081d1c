import { readFileSync } from 'node:fs'
import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

interface InvokeFlags {
  data?: string
  version?: string
  async?: boolean
  key?: string
  json?: boolean
}

export function addInvoke(parent: Command): void {
  parent
    .command('invoke')
    .description(text.fnInvoke)
    .argument('<name>', text.argumentFunction)
    .option('-d, --data <json>', text.optionData)
    .option('--version <version>', text.optionQualifier)
    .option('--async', text.optionAsync)
    .option('--key <key>', text.optionKey)
    .option('--json', text.optionJson)
    .action(invoke)
}

/** What the handler returned goes to stdout as it is. */
async function invoke(name: string, { data, version, key, json, ...flags }: InvokeFlags): Promise<void> {
  const event = eventOf(data)
  const { functions } = server()
  const options = { version, idempotencyKey: key }
  if (flags.async) {
    const { id } = await functions.invokeAsync(name, event, options)
    return json ? printJson({ id }) : void process.stdout.write(`${id}\n`)
  }
  const response = await functions.stream(name, event, options)
  if (json) return printJson(await response.json())
  let last = 10
  for await (const piece of response.body ?? []) {
    process.stdout.write(piece)
    last = piece.at(-1) ?? last
  }
  if (last !== 10) process.stdout.write('\n')
}

/** JSON, `@file`, or `-` for standard input. */
function eventOf(data: string | undefined): unknown {
  if (data === undefined) return null
  const given =
    data === '-' ? readFileSync(0, 'utf8') : data.startsWith('@') ? readFileSync(data.slice(1), 'utf8') : data
  try {
    return JSON.parse(given)
  } catch (cause) {
    throw new WarrenError('invalid_request', text.badData((cause as Error).message), { cause })
  }
}
