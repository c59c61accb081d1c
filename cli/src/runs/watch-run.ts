import type { RunEntry, RunInfo, Warren } from '@warren/sdk'
import { harmless } from '../output/harmless.ts'
import { writeAll } from '../output/print.ts'
import { lineOfEntry } from './trace-line.ts'

/** Follows a run until it ends or waits. Its steps go to stderr, what it says to stdout unless `quiet`. */
export async function watchRun(
  warren: Warren,
  id: string,
  { after, quiet, signal }: { after?: number; quiet?: boolean; signal?: AbortSignal },
): Promise<{ run: RunInfo; seq: number }> {
  let seq = after ?? 0
  let said = false
  for await (const event of warren.runs.follow(id, { after, signal })) {
    if (event.type === 'run') {
      if (said) process.stdout.write('\n')
      return { run: event.run, seq }
    }
    if (event.type === 'delta' && !quiet && event.delta.type === 'text' && event.delta.thread === 'main') {
      said = true
      await writeAll(process.stdout, harmless(event.delta.text))
    } else if (event.type === 'entry') {
      seq = event.entry.seq
      if (!quiet && said && event.entry.type === 'model.answered') {
        process.stdout.write('\n')
        said = false
      }
      if (!quiet && isShown(event.entry)) process.stderr.write(`${lineOfEntry(event.entry)}\n`)
    }
  }
  return { run: await warren.runs.get(id), seq }
}

function isShown({ type }: RunEntry): boolean {
  return [
    'call.inspected',
    'tool.ended',
    'model.failed',
    'approval.requested',
    'plan.made',
    'plan.step_ended',
    'graph.node_ended',
  ].includes(type)
}
