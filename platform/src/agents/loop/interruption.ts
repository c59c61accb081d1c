import type { Running } from './running.ts'

const never = new AbortController().signal

/**
 * Aborts when a message interrupts what is being done in a conversation. Only the main one reads messages, so only what is done for it
 * is given up: a step of a plan that were interrupted would be begun again at once, without an end.
 */
export function interruptionOf(run: Running, thread: string): AbortSignal {
  return thread === 'main' || thread.startsWith('summary:main:') ? run.interruption() : never
}
