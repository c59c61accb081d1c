import { setTimeout as sleep } from 'node:timers/promises'
import type { LiveSandbox } from '../../sandboxes/live.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'

/** How long a sandbox whose agent has just been lost may take until it is known to have ended, milliseconds. */
const endingMs = 2_000

/** Whether the sandbox ended, or is about to be seen to have ended. */
export async function isGone(sandboxes: Pick<Sandboxes, 'live'>, { id, instance }: LiveSandbox): Promise<boolean> {
  for (const deadline = performance.now() + endingMs; performance.now() < deadline; await sleep(20)) {
    if (sandboxes.live(id)?.instance !== instance) return true
  }
  return false
}
