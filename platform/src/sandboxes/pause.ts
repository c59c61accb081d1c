import type { Account } from '../accounts/account.ts'
import { notRunning } from './running.ts'
import { type PauseSandbox, pausedSeconds, type Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** Longest time until what a sandbox holds in memory is on the disk. */
const deadlineMs = 120_000

/**
 * Lets a running sandbox stand still: with its memory on the disk where the runtime can, else frozen, or with its files
 * alone if the caller wants no memory. On rejection it runs as before. Goes on when the caller goes away. With `expiredBy`
 * only if its time was over by then.
 */
export async function pauseSandbox(
  deps: SandboxDeps,
  { account, id }: { account: Pick<Account, 'id'>; id: string },
  input: PauseSandbox,
  expiredBy?: Date,
): Promise<Sandbox> {
  const { store, engine, live, busy, expiry, now } = deps
  busy.add(id)
  try {
    const pausing = await store.markPausing(account.id, id, expiredBy)
    if (!pausing) throw await notRunning(deps, account, id)
    const instanceId = pausing.instanceId!
    const running = live.get(id)
    live.delete(id)
    if (running) await deps.meter.leaves(id, running.instance)
    const filesOnly = input.memory === false
    const memory = await engine.saved
      .pause(instanceId, { filesOnly }, AbortSignal.timeout(deadlineMs))
      .catch(async (error) => {
        if ((await store.markNotPaused(id)) && running && engine.get(instanceId)) live.set(id, running)
        throw error
      })
    const expiresAt = new Date(now().getTime() + (input.timeout ?? pausedSeconds.usual) * 1000)
    const paused = await store.markPaused(id, { memory, expiresAt })
    if (!paused) {
      await engine.stop(instanceId)
      throw await notRunning(deps, account, id)
    }
    expiry.consider(paused.expiresAt)
    return paused
  } finally {
    busy.delete(id)
  }
}
