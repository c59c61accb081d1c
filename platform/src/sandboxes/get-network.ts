import { getSandbox } from './get.ts'
import { networkOf, type SandboxNetwork } from './network.ts'
import { networkedInstance } from './running.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

/** What a running or paused sandbox may reach, how much came and went, and the last it tried. */
export async function getNetwork(deps: SandboxDeps, { account, id }: Subject): Promise<SandboxNetwork> {
  const instance = await networkedInstance(deps, account, id)
  const [{ network }, status] = await Promise.all([
    getSandbox(deps, account, id),
    instance && deps.engine.network.status(instance),
  ])
  return networkOf(network, status)
}
