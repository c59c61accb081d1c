import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../telemetry/logger.ts'

/** Rows deleted by one statement, and the rest after it: what is at work has the database in between. */
const batch = 500
const pauseMs = 50
/** A pass begins this often at most and at least, milliseconds. */
const intervalMs = { shortest: 1000, longest: 3_600_000 }
const firstPassMs = 60_000

/** Deletes at most `most` things that were over before that time; answers how many there were. */
export type Forget = (before: Date, most: number) => Promise<number>

/**
 * Deletes what was over longer than `keepMs` ago, a few at a time and in the background, so that no cost grows with
 * history. Goes on until the answered function is called. A pass that fails is told and made again later.
 */
export function startRetention(options: {
  keepMs: number
  forget: Forget[]
  now: () => Date
  logger: Logger
}): () => Promise<void> {
  const { keepMs, forget, now, logger } = options
  const ending = new AbortController()
  const { signal } = ending
  const pause = (ms: number) => sleep(ms, undefined, { ref: false, signal }).catch(() => {})
  const everyMs = Math.min(Math.max(keepMs / 24, intervalMs.shortest), intervalMs.longest)

  async function forgetAll(before: Date, some: Forget): Promise<void> {
    while (!signal.aborted && (await some(before, batch)) === batch) await pause(pauseMs)
  }

  async function run(): Promise<void> {
    await pause(Math.min(everyMs, firstPassMs))
    while (!signal.aborted) {
      const before = new Date(now().getTime() - keepMs)
      try {
        for (const some of forget) await forgetAll(before, some)
      } catch (error) {
        logger.warn({ err: error }, 'old records could not be deleted; it is tried again later')
      }
      await pause(everyMs)
    }
  }

  const running = run()
  return async () => {
    ending.abort()
    await running
  }
}
