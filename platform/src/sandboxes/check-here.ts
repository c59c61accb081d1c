import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** Throws `unavailable` for a sandbox of `account` that another node has: it is changed there alone. */
export async function checkHere(
  { live, store, node }: SandboxDeps,
  { account, id }: { account: Pick<Account, 'id'>; id: string },
): Promise<void> {
  if (live.has(id)) return
  const sandbox = await store.find(account.id, id)
  if (sandbox && sandbox.node !== node) throw elsewhere(sandbox)
}

function elsewhere({ id, node = 'platform' }: Sandbox): WarrenError {
  return new WarrenError('unavailable', `sandbox ${id} is on the node ${node}, which this door does not lead to`, {
    hint: 'Sandboxes of workers are reached over REST, WebSockets, their ports, gRPC, MCP and the doors of E2B.',
    details: { node },
  })
}
