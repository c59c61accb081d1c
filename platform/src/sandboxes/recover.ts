import type { PausedMemory } from '../engine/instance-store.ts'
import { armedPolicy } from './outgoing.ts'
import { recoverSnapshots } from './recover-snapshots.ts'
import { finishStopping } from './remove.ts'
import { pausedSeconds, type Sandbox, type State } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { watchExit } from './watch-exit.ts'

/** At start: takes up the sandboxes an earlier process left, settles what it was in the middle of, re-arms the timers. */
export async function recoverSandboxes(deps: SandboxDeps): Promise<void> {
  const { store, engine, live, logger } = deps
  const recorded = await store.unsettled()
  const owned = recorded.filter(({ state, instanceId }) => instanceId && alive.includes(state))
  await engine.adopt(new Map(owned.map((sandbox) => [sandbox.instanceId!, sandbox.id])))

  const policies: Promise<void>[] = []
  for (const sandbox of owned) {
    const instance = engine.get(sandbox.instanceId!)
    if (!instance) continue
    policies.push(
      // What was in force before goes on, or nothing is allowed: never more than is recorded.
      armedPolicy(deps, sandbox)
        .then((policy) => engine.network.set(instance, policy))
        .catch((error) => logger.error({ err: error, sandbox: sandbox.id }, 'network policy not applied')),
    )
    watchExit(deps, sandbox.id, instance)
    if (!engine.saved.pausedMemory(instance.id)) live.set(sandbox.id, { accountId: sandbox.accountId, instance })
  }
  await Promise.all(policies)
  for (const sandbox of recorded) await settle(deps, sandbox)
  // A worker has none.
  if (deps.node === undefined) await recoverSnapshots(deps)
  if (recorded.length > 0) logger.info({ recorded: recorded.length, alive: live.size }, 'sandboxes recovered')
}

/** In these states a sandbox has an instance, whose engine knows what became of it. */
const alive: State[] = ['running', 'pausing', 'paused', 'resuming']

/**
 * Brings one record in line with what is there, when nobody is at work on it: a start that nobody finishes and an
 * instance that is gone become `failed`, a stop that was interrupted is finished, and what was being paused or resumed is
 * what the engine says.
 */
export async function settle(deps: SandboxDeps, sandbox: Sandbox): Promise<void> {
  const { store, engine, busy } = deps
  if (busy.has(sandbox.id)) return
  if (sandbox.state === 'stopping') return finishStopping(deps, sandbox)
  if (sandbox.state === 'starting') return void (await store.markFailed(sandbox.id, 'start_interrupted'))
  if (!alive.includes(sandbox.state)) return
  const memory = sandbox.instanceId && engine.saved.pausedMemory(sandbox.instanceId)
  if (memory) return settlePaused(deps, sandbox, memory)
  if (deps.live.has(sandbox.id)) return settleRunning(deps, sandbox)
  await store.markFailed(sandbox.id, 'lost')
  if (sandbox.instanceId) await engine.stop(sandbox.instanceId)
}

async function settlePaused({ store, now }: SandboxDeps, { id, state }: Sandbox, memory: PausedMemory): Promise<void> {
  if (state === 'resuming') await store.markNotResumed(id)
  else if (state === 'pausing') {
    await store.markPaused(id, { memory, expiresAt: new Date(now().getTime() + pausedSeconds.usual * 1000) })
  }
}

async function settleRunning({ store, now }: SandboxDeps, { id, state, remainingMs }: Sandbox): Promise<void> {
  if (state === 'pausing') await store.markNotPaused(id)
  else if (state === 'resuming') await store.markResumed(id, new Date(now().getTime() + (remainingMs ?? 0)))
}
