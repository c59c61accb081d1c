import { armedPolicy, usesSecret } from './outgoing.ts'
import type { SandboxDeps } from './sandboxes.ts'
import { inOrder } from './set-network.ts'

/**
 * A secret has another value or other hosts, or is gone: running sandboxes that use it go on with what is so now. Those that
 * are paused learn it when they go on.
 */
export async function renewSecret(deps: SandboxDeps, accountId: string, name: string): Promise<void> {
  const { live, store, engine } = deps
  const own = [...live].filter(([, sandbox]) => sandbox.accountId === accountId)
  await Promise.all(
    own.map(([id, { instance }]) =>
      inOrder(instance, async () => {
        const sandbox = await store.find(accountId, id)
        if (!sandbox || live.get(id)?.instance !== instance) return
        if (!usesSecret(deps, accountId, sandbox.network, name)) return
        await engine.network.set(instance, await armedPolicy(deps, accountId, sandbox.network))
      }),
    ),
  )
}
