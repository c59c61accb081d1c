import type { RunInfo } from '@warren/sdk'
import { text } from '../messages.ts'
import { harmless } from '../output/harmless.ts'

/** Tells on stderr how a run stands and what to do about it; sets the exit code: 0 when it has done what it was to do. */
export function tellOutcome({ runId, state, reason, message, approvals = [], conversation }: RunInfo): void {
  for (const { id, text: question, arguments: args } of approvals) {
    process.stderr.write(`${harmless(question)}${args ? ` ${harmless(JSON.stringify(args))}` : ''}\n`)
    process.stderr.write(`${text.approveHint(runId, id)}\n`)
  }
  const why = message ?? reason ?? ''
  if (state !== 'done' && !conversation && approvals.length === 0)
    process.stderr.write(`warren: ${harmless(text.runEnded(state, why))}\n`)
  if (state !== 'done' && !(conversation && state === 'waiting')) process.exitCode = state === 'waiting' ? 2 : 1
}
