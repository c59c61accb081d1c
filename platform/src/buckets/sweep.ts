import { setTimeout as sleep } from 'node:timers/promises'
import type { BucketDeps } from './buckets.ts'
import { eraseUnneeded } from './erase.ts'

/** What could not be removed is tried again this often, milliseconds. */
const everyMs = 600_000

/** Removes what nobody needs, now and from time to time, until the answered function is called. */
export function startSweep(deps: BucketDeps): () => Promise<void> {
  const ending = new AbortController()
  const { signal } = ending
  async function run(): Promise<void> {
    while (!signal.aborted) {
      await eraseUnneeded(deps, signal).catch((err) => {
        if (!signal.aborted) deps.logger.warn({ err }, 'contents of objects were not looked through; it is tried again')
      })
      await sleep(everyMs, undefined, { ref: false, signal }).catch(() => {})
    }
  }
  const running = run()
  return async () => {
    ending.abort()
    await running
  }
}
