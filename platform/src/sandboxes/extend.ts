import { getSandbox } from './get.ts'
import { notRunning } from './running.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps, Subject } from './sandboxes.ts'

/** Lets a running sandbox live at least `seconds` from now: never shorter than before, whoever else extends it meanwhile. */
export async function extendSandbox(deps: SandboxDeps, subject: Subject, seconds: number): Promise<Sandbox> {
  const { account, id } = subject
  const expiresAt = new Date(deps.now().getTime() + seconds * 1000)
  const extended = await deps.store.setExpiry(account.id, id, expiresAt, true)
  if (extended) {
    deps.expiry.consider(expiresAt)
    return extended
  }
  const sandbox = await getSandbox(deps, account, id)
  if (sandbox.state !== 'running') throw await notRunning(deps, account, id)
  return sandbox
}
