import type { Account } from '../accounts/account.ts'
import { notRunning } from './running.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** Lets a running sandbox live `timeoutSeconds` from now: longer or shorter than before. */
export async function setSandboxTimeout(
  deps: SandboxDeps,
  subject: { account: Account; id: string },
  timeoutSeconds: number,
): Promise<Sandbox> {
  const { account, id } = subject
  const expiresAt = new Date(deps.now().getTime() + timeoutSeconds * 1000)
  const sandbox = await deps.store.setExpiry(account.id, id, expiresAt)
  if (!sandbox) throw await notRunning(deps, account, id)
  deps.expiry.consider(expiresAt)
  return sandbox
}
