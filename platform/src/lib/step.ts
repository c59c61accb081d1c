import { tracingChannel } from 'node:diagnostics_channel'

/** One lasting effect: what is done, and the id or path it is done to. */
export interface Step {
  name: string
  subject: string
}

const journal = tracingChannel<Step, Step>('warren.step')

/**
 * Does `effect`, which outlives this process: a file, a row, a control group, a process. Every lasting effect is a step, so
 * that each place where the platform can be killed has a name. The journal of steps is node's diagnostics channel
 * `warren.step`; while nobody listens to it this is a plain call. The suite `test/crash-points.test.ts` reads from it where
 * to kill, and refuses an effect that is no step.
 */
export function step<T>(name: string, subject: string, effect: () => Promise<T>): Promise<T> {
  return journal.tracePromise(effect, { name, subject })
}
