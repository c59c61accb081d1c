import { Type } from 'typebox'
import type { ProcessExit } from '../engine/guest/process.ts'
import { signalName } from '../sandboxes/signal.ts'

export const exitSchemas = {
  exitCode: Type.Unsafe<number | null>({ type: ['integer', 'null'], description: 'null when a signal ended it.' }),
  signal: Type.Optional(Type.String({ description: 'The signal that ended it, such as SIGKILL.' })),
  reason: Type.Enum(['exited', 'signaled', 'timeout', 'out_of_memory']),
  ms: Type.Number({ description: 'Run time in milliseconds.' }),
  truncated: Type.Boolean({ description: 'Some output is missing.' }),
}

/** How a process ended, as callers see it. */
export function exitView({ exitCode, signal, reason, ms, truncated }: ProcessExit) {
  return { exitCode, ...(signal === null ? {} : { signal: signalName(signal) }), reason, ms, truncated }
}
