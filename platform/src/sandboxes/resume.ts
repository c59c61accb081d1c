import { inRoom } from '../lib/in-room.ts'
import { getSandbox } from './get.ts'
import { armedPolicy } from './outgoing.ts'
import { pauseSandbox } from './pause.ts'
import { quotasOf } from './quotas-of.ts'
import { catchUp } from './renew-secret.ts'
import { notRunning } from './running.ts'
import type { ResumeSandbox, Sandbox } from './sandbox.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'
import { watchExit } from './watch-exit.ts'

const deadlineMs = 60_000
/** What one whose time was over when it was paused has to live at least, milliseconds. */
const leastMs = 10_000

/**
 * Lets a paused sandbox go on where it stood still, for `timeout` or the time it had left; or begin anew with its files if
 * the caller wants no memory. One that runs is answered as it is. On rejection it is paused as before. Goes on when the caller goes away.
 */
export async function resumeSandbox(deps: SandboxDeps, subject: Subject, input: ResumeSandbox): Promise<Sandbox> {
  const { timeout, memory } = input
  if (memory === false) await giveUpMemory(deps, subject)
  return resume(deps, subject, timeout)
}

/** What it wrote may be in its memory alone: so it goes on for a moment, and is paused anew without. */
async function giveUpMemory(deps: SandboxDeps, subject: Subject): Promise<void> {
  const { state, memory } = await getSandbox(deps, subject.account, subject.id)
  if (state !== 'paused' || memory === 'none') return
  await resume(deps, subject, undefined)
  await pauseSandbox(deps, subject, { memory: false })
}

async function resume(deps: SandboxDeps, { account, id }: Subject, timeout: number | undefined): Promise<Sandbox> {
  const { store, engine, live, busy, expiry, now } = deps
  busy.add(id)
  try {
    const before = await getSandbox(deps, account, id)
    if (before.state === 'running') return before
    deps.mayStart(account.id)
    const mark = () => store.markResuming(account.id, id, quotasOf(deps, account))
    if (!(await inRoom(mark, () => deps.giveWay(account.id)))) throw await notRunning(deps, account, id)
    const instance = await getSandbox(deps, account, id)
      .then((paused) => armedPolicy(deps, paused))
      .then((policy) => engine.saved.resume(before.instanceId!, policy, AbortSignal.timeout(deadlineMs)))
      .catch(async (error) => {
        await store.markNotResumed(id)
        throw error
      })
    const livesMs = timeout === undefined ? Math.max(before.remainingMs ?? 0, leastMs) : timeout * 1000
    const resumed = await store.markResumed(id, new Date(now().getTime() + livesMs))
    if (!resumed) {
      await engine.stop(instance.id)
      throw await notRunning(deps, account, id)
    }
    live.set(id, { accountId: account.id, instance })
    deps.meter.begins(id, instance)
    // A resident one has been watched since it began.
    if (before.memory !== 'resident') watchExit(deps, id, instance)
    expiry.consider(resumed.expiresAt)
    await catchUp(deps, resumed)
    return resumed
  } finally {
    busy.delete(id)
  }
}
