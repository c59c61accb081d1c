import { summaryPrefix } from '../journal/run-state.ts'
import type { Running } from './running.ts'

const ofMain = summaryPrefix('main')
const never = new AbortController().signal

/**
 * Aborts when a message interrupts what is being done in a conversation. Only the main one reads messages, so only what is done for it
 * is given up: a step of a plan that were interrupted would be begun again at once, without an end.
 */
export function interruptionOf(run: Running, thread: string): AbortSignal {
  return thread === 'main' || thread.startsWith(ofMain) ? run.interruption() : never
}

const stops = new WeakMap<AbortSignal, { interruption: AbortSignal; stop: AbortSignal }>()

/**
 * Aborts when what is being done in a conversation is to stop: by an interruption, or with the run. The same one until a message
 * interrupts: one made for each step would be remembered by the signals of the run, which live as long as it does.
 */
export function stopOf(run: Running, thread: string): AbortSignal {
  const interruption = interruptionOf(run, thread)
  if (interruption === never) return run.signal
  const known = stops.get(run.signal)
  if (known?.interruption === interruption) return known.stop
  const stop = AbortSignal.any([run.signal, interruption])
  stops.set(run.signal, { interruption, stop })
  return stop
}
