import type { Instance } from '../engine/engine.ts'
import type { LiveSandbox } from './live.ts'
import { armedPolicy, usesSecret } from './outgoing.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { inOrder } from './set-network.ts'

/**
 * A secret has another value or other hosts, or is gone: running sandboxes that use it go on with what is so now. Those that
 * are paused learn it when they go on.
 */
export async function renewSecret(deps: SandboxDeps, accountId: string, name: string): Promise<void> {
  const own = [...deps.live].filter(([, sandbox]) => sandbox.accountId === accountId)
  await Promise.all(own.map(([id, sandbox]) => renew(deps, { id, ...sandbox }, name)))
}

/** One that has just begun to be live: what its secrets became while it started passed it by. */
export async function catchUp(deps: SandboxDeps, { id, accountId, network }: Sandbox): Promise<void> {
  const instance = deps.live.get(id)?.instance
  if (!instance || network.sealed === undefined) return
  await renew(deps, { id, accountId, instance }, undefined).catch((error) =>
    deps.logger.error({ err: error, sandbox: id }, 'what its secrets became is not known to the gateway yet'),
  )
}

/** What it may reach and what goes into its requests anew: as secrets and quotas are now, with new tokens. */
export function renewNetwork(deps: SandboxDeps, live: LiveSandbox): Promise<void> {
  return renew(deps, live, undefined)
}

function renew(
  deps: SandboxDeps,
  { id, accountId, instance }: { id: string; accountId: string; instance: Instance },
  secret: string | undefined,
): Promise<void> {
  const { live, store, engine } = deps
  return inOrder(instance, async () => {
    const sandbox = await store.find(accountId, id)
    if (!sandbox || live.get(id)?.instance !== instance) return
    if (secret !== undefined && !usesSecret(deps, accountId, sandbox.network, secret)) return
    const policy = await armedPolicy(deps, sandbox)
    // It may have ended meanwhile, and then there is nothing to renew.
    if (!engine.network.isReleased(instance)) await engine.network.set(instance, policy)
  })
}
