import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunInfo } from '@warren/sdk'
import type { Command } from 'commander'
import { interruption } from '../../interruption.ts'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { shortDuration } from '../../output/quantity.ts'
import { table } from '../../output/table.ts'
import { lineOfEntry } from '../../runs/trace-line.ts'
import { server } from '../../server.ts'

/** What only looks at runs. */
export function addLook(runs: Command): void {
  runs
    .command('list')
    .alias('ls')
    .description(text.runsList)
    .option('--agent <name>', text.optionAgent)
    .option('--json', text.optionJson)
    .action(list)
  runs.command('show').description(text.runsShow).argument('<run>', text.argumentRun).action(show)
  runs
    .command('trace')
    .description(text.runsTrace)
    .argument('<run>', text.argumentRun)
    .option('-f, --follow', text.optionFollowRun)
    .option('--json', text.optionJson)
    .action(trace)
  runs
    .command('images')
    .description(text.runsImages)
    .argument('<run>', text.argumentRun)
    .option('--out <folder>', text.optionImagesOut, '.')
    .action(images)
}

async function list({ agent, json }: { agent?: string; json?: boolean }): Promise<void> {
  const found = await server().runs.list({ agent })
  if (json) return printJson(found)
  const head = [
    text.columnId,
    text.columnAgent,
    text.columnState,
    text.columnReason,
    text.columnSteps,
    text.columnTokens,
    text.columnAge,
  ]
  process.stdout.write(table(head, found.map(rowOf)))
}

async function show(id: string): Promise<void> {
  printJson(await server().runs.get(id))
}

async function trace(id: string, { follow, json }: { follow?: boolean; json?: boolean }): Promise<void> {
  const { runs } = server()
  if (!follow) {
    const entries = await runs.trace(id)
    if (json) return printJson(entries)
    for (const entry of entries) process.stdout.write(`${lineOfEntry(entry)}\n`)
    return
  }
  const { signal } = interruption()
  try {
    for await (const event of runs.follow(id, { signal }))
      if (event.type === 'entry')
        process.stdout.write(`${json ? JSON.stringify(event.entry) : lineOfEntry(event.entry)}\n`)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Each once, under the beginning of its hash. */
async function images(id: string, { out }: { out: string }): Promise<void> {
  const { runs } = server()
  const seen = new Map<string, string>()
  for (const { data } of await runs.trace(id))
    for (const { hash, mediaType } of (data.images ?? []) as { hash: string; mediaType: string }[])
      seen.set(hash, mediaType)
  mkdirSync(out, { recursive: true })
  for (const [hash, mediaType] of seen) {
    const file = join(out, `${hash.slice(0, 16)}.${mediaType.replace(/^image\//, '').replace(/[^a-z]/g, '')}`)
    writeFileSync(file, await runs.image(id, hash))
    process.stdout.write(`${file}\n`)
  }
}

function rowOf({ runId, agent, state, reason, steps, usage, createdAt }: RunInfo): string[] {
  const age = shortDuration(Date.now() - Date.parse(createdAt))
  return [runId, agent, state, reason ?? '', String(steps), String(usage.inputTokens + usage.outputTokens), age]
}
