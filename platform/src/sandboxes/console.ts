import type { Duplex } from 'node:stream'
import type { SandboxDeps, Subject } from './sandboxes.ts'
import { wokenInstance } from './wake.ts'

/** The serial console of a running microVM. Throws `invalid_request` for a sandbox that is no machine of its own. */
export async function openConsole(deps: SandboxDeps, { account, id }: Subject): Promise<Duplex> {
  return (await wokenInstance(deps, account, id)).console()
}
