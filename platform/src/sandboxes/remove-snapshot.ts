import type { Account } from '../accounts/account.ts'
import { noSnapshot } from './get-snapshot.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** Deletes a snapshot. What was made from it goes on. Throws `not_found`, also the second time. */
export async function removeSnapshot({ snapshots, engine }: SandboxDeps, account: Account, id: string): Promise<void> {
  if (!(await snapshots.markDeleting(account.id, id))) throw noSnapshot(id)
  await engine.saved.snapshots.remove(id)
  await snapshots.forget(id)
}
