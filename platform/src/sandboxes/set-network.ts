import type { Instance } from '../engine/engine.ts'
import type { NetworkPolicy } from '../engine/network/rules.ts'
import { type AskedNetwork, networkOf, type SandboxNetwork } from './network.ts'
import { armedPolicy, recordedPolicy } from './outgoing.ts'
import { networkedInstance, notRunning } from './running.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

/** The last change of each, so that the record and what is in force end with the same of two at once. */
const changing = new WeakMap<Instance, Promise<unknown>>()

/**
 * Changes what a running or paused sandbox may reach. When it resolves, connections that are not allowed any more have
 * been cut. The record comes first: whatever happens then, the next start or resume applies it.
 */
export async function setNetwork(deps: SandboxDeps, subject: Subject, input: AskedNetwork): Promise<SandboxNetwork> {
  const policy = await recordedPolicy(deps, subject.account.id, input)
  const instance = await networkedInstance(deps, subject.account, subject.id)
  if (!instance) return apply(deps, subject, { policy })
  deps.engine.network.checkInstance(instance, policy)
  return inOrder(instance, () => apply(deps, subject, { instance, policy }))
}

/** After the changes of this instance that have begun before. */
export function inOrder<T>(instance: Instance, work: () => Promise<T>): Promise<T> {
  const before = changing.get(instance)
  const change = (async () => {
    await before?.catch(() => {})
    return work()
  })()
  changing.set(instance, change)
  return change
}

async function apply(
  deps: SandboxDeps,
  { account, id }: Subject,
  { instance, policy }: { instance?: Instance; policy: NetworkPolicy },
): Promise<SandboxNetwork> {
  if (!(await deps.store.setNetwork(account.id, id, policy))) throw await notRunning(deps, account, id)
  if (!instance) return networkOf(policy, undefined)
  const armed = await armedPolicy(deps, { id, accountId: account.id, network: policy })
  await deps.engine.network.set(instance, armed)
  if (deps.live.get(id)?.instance === instance) await deps.engine.network.trust(instance, armed)
  return networkOf(policy, await deps.engine.network.status(instance))
}
