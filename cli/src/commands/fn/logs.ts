import { setTimeout as sleep } from 'node:timers/promises'
import type { Invocation } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { harmless } from '../../output/harmless.ts'
import { server } from '../../server.ts'

const lookMs = 500

interface LogFlags {
  follow?: boolean
  search?: string
  json?: boolean
}

export function addLogs(parent: Command): void {
  parent
    .command('logs')
    .description(text.fnLogs)
    .argument('<name>', text.argumentFunction)
    .option('-f, --follow', text.optionFollow)
    .option('--search <text>', text.optionSearch)
    .option('--json', text.optionJson)
    .action(logs)
}

/** Call by call, the oldest first. */
export async function logs(name: string, { follow, search, json }: LogFlags): Promise<void> {
  const { functions } = server()
  const found = await functions.invocations(name, { limit: 100, ...(search === undefined ? {} : { search }) })
  for (const invocation of found.toReversed()) print(invocation, json)
  let endedAfter =
    found.reduce((last, { endedAt = '' }) => (endedAt > last ? endedAt : last), '') || new Date().toISOString()
  while (follow) {
    await sleep(lookMs)
    const more = await functions.invocations(name, {
      endedAfter,
      limit: 1000,
      ...(search === undefined ? {} : { search }),
    })
    for (const invocation of more) print(invocation, json)
    endedAfter = more.at(-1)?.endedAt ?? endedAfter
  }
}

function print(invocation: Invocation, json: boolean | undefined): void {
  if (json) return void process.stdout.write(`${JSON.stringify(invocation)}\n`)
  const { id, version, state, error, billedMs, cold, log, endedAt, createdAt } = invocation
  const outcome = error ? `${error.reason}: ${error.message}` : state
  const facts = [`v${version}`, ...(billedMs === undefined ? [] : [`${billedMs} ms`]), ...(cold ? ['cold'] : [])]
  process.stdout.write(`${endedAt ?? createdAt} ${id} ${facts.join(' ')} ${harmless(outcome)}\n`)
  if (log) process.stdout.write(`${harmless(log).replace(/\n?$/, '\n').replace(/^/gm, '  ').replace(/ {2}$/, '')}`)
}
