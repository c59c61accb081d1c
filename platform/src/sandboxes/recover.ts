import { finishStopping } from './remove.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { watchExit } from './watch-exit.ts'

/** At start: takes up the sandboxes an earlier process left, settles what it was in the middle of, re-arms the timers. */
export async function recoverSandboxes(deps: SandboxDeps): Promise<void> {
  const { store, engine, live, logger } = deps
  const recorded = await store.unsettled()
  const running = recorded.filter((sandbox) => sandbox.state === 'running' && sandbox.instanceId)
  await engine.adopt(new Map(running.map((sandbox) => [sandbox.instanceId!, sandbox.id])))

  const policies: Promise<void>[] = []
  for (const sandbox of running) {
    const instance = engine.get(sandbox.instanceId!)
    if (!instance) continue
    policies.push(
      // What was in force before goes on, or nothing is allowed: never more than is recorded.
      engine.network
        .set(instance, sandbox.network)
        .catch((error) => logger.error({ err: error, sandbox: sandbox.id }, 'network policy not applied')),
    )
    live.set(sandbox.id, { accountId: sandbox.accountId, instance })
    watchExit(deps, sandbox.id, instance)
  }
  await Promise.all(policies)
  for (const sandbox of recorded) await settle(deps, sandbox)
  if (recorded.length > 0) logger.info({ recorded: recorded.length, alive: live.size }, 'sandboxes recovered')
}

/**
 * Brings one record in line with what is there, when nobody is at work on it: a start that nobody finishes and an
 * instance that is gone become `failed`, a stop that was interrupted is finished.
 */
export async function settle(deps: SandboxDeps, sandbox: Sandbox): Promise<void> {
  const { store, engine, live, busy } = deps
  if (busy.has(sandbox.id)) return
  if (sandbox.state === 'stopping') await finishStopping(deps, sandbox)
  else if (sandbox.state === 'starting') await store.markFailed(sandbox.id, 'start_interrupted')
  else if (sandbox.state === 'running' && !live.has(sandbox.id)) {
    await store.markFailed(sandbox.id, 'lost')
    if (sandbox.instanceId) await engine.stop(sandbox.instanceId)
  }
}
