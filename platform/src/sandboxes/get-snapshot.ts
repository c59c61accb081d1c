import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { SandboxDeps } from './sandboxes.ts'
import type { Snapshot } from './snapshot.ts'

/** One snapshot of `account`. Throws `not_found` when there is none of this id, or it is another's. */
export async function getSnapshot({ snapshots }: SandboxDeps, account: Account, id: string): Promise<Snapshot> {
  const snapshot = await snapshots.find(account.id, id)
  if (!snapshot) throw noSnapshot(id)
  return snapshot
}

export function noSnapshot(id: string): WarrenError {
  return new WarrenError('not_found', `there is no snapshot "${id.slice(0, 64)}"`, {
    hint: 'It may have been deleted.',
    details: { resource: 'snapshot' },
  })
}
