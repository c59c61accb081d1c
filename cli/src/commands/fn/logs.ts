import { setTimeout as sleep } from 'node:timers/promises'
import { type FunctionLogEntry, type Invocation, WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { harmless } from '../../output/harmless.ts'
import { server } from '../../server.ts'

/** So long a server that does not answer is asked again, milliseconds. */
const patienceMs = 60_000
const pauseMs = 500
/** Ends are known a little after the time that they have, milliseconds. */
const marginMs = 2000
/** Calls whose end is remembered, so that it is shown once. */
const mostEnded = 10_000

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

/** Call by call, the oldest first; then line by line, as they come. */
async function logs(name: string, { follow, search, json }: LogFlags): Promise<void> {
  const now = new Date().toISOString()
  const found = await server().functions.invocations(name, { limit: 100, ...(search === undefined ? {} : { search }) })
  for (const invocation of found.toReversed()) if (!follow || invocation.endedAt) printCall(invocation, json)
  if (!follow) return
  const { signal } = interruption()
  const newest = found.reduce((last, { endedAt = '' }) => (endedAt > last ? endedAt : last), '') || now
  const after = new Date(new Date(newest).getTime() - marginMs).toISOString()
  const ended = found.filter(({ endedAt }) => endedAt).map(({ id }) => id)
  await followLogs(name, { after, ended, signal, ...(search && { search }), ...(json && { json }) })
}

/** Prints what a function writes until the signal aborts, over breaks of the connection too. */
export async function followLogs(
  name: string,
  { after, ended = [], search, json, signal }: FollowFlags,
): Promise<void> {
  const seen = new Seen(ended)
  let heardAt = Date.now()
  while (!signal.aborted)
    try {
      for await (const entry of server().functions.followLogs(name, { after, search, signal })) {
        heardAt = Date.now()
        after = entry.id
        if (seen.isNew(entry)) printEntry(entry, json)
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof WarrenError && error.code === 'unavailable') || Date.now() - heardAt > patienceMs)
        throw error
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
    }
}

interface FollowFlags {
  after?: string
  /** Calls that need not be shown. */
  ended?: string[]
  search?: string
  json?: boolean
  signal: AbortSignal
}

/** What comes a second time after a break is not shown again. */
class Seen {
  /** How far the log of calls that run is shown. */
  readonly #upTo = new Map<string, number>()
  readonly #ended: Set<string>

  constructor(ended: readonly string[]) {
    this.#ended = new Set(ended)
  }

  isNew(entry: FunctionLogEntry): boolean {
    const { invocation: id } = entry
    if (this.#ended.has(id)) return false
    if (entry.type === 'line') {
      if (entry.offset < (this.#upTo.get(id) ?? 0)) return false
      this.#upTo.set(id, entry.offset + entry.text.length)
      return true
    }
    this.#upTo.delete(id)
    // One that is made again has a log from its beginning.
    if (entry.state === 'succeeded' || entry.state === 'failed') this.#ended.add(id)
    if (this.#ended.size > mostEnded) this.#ended.delete(this.#ended.values().next().value!)
    return true
  }
}

function printEntry(entry: FunctionLogEntry, json: boolean | undefined): void {
  if (json) return void process.stdout.write(`${JSON.stringify(entry)}\n`)
  const { at, invocation, version } = entry
  if (entry.type === 'line') return void process.stdout.write(`${at} ${invocation}   ${harmless(entry.text)}\n`)
  printEnd({ ...entry, at, id: invocation, version })
}

function printCall(invocation: Invocation, json: boolean | undefined): void {
  if (json) return void process.stdout.write(`${JSON.stringify(invocation)}\n`)
  const { log, endedAt, createdAt } = invocation
  printEnd({ ...invocation, at: endedAt ?? createdAt })
  if (log) process.stdout.write(`${harmless(log).replace(/\n?$/, '\n').replace(/^/gm, '  ').replace(/ {2}$/, '')}`)
}

function printEnd({
  at,
  id,
  version,
  state,
  error,
  billedMs,
  cold,
}: Pick<Invocation, 'id' | 'version' | 'state' | 'error' | 'billedMs' | 'cold'> & { at: string }): void {
  const outcome = error ? `${error.reason}: ${error.message}` : state
  const facts = [`v${version}`, ...(billedMs === undefined ? [] : [`${billedMs} ms`]), ...(cold ? ['cold'] : [])]
  process.stdout.write(`${at} ${id} ${facts.join(' ')} ${harmless(outcome)}\n`)
}
