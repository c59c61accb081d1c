import type { Account } from '../accounts/account.ts'
import type { SandboxFilter } from './sandbox-reads.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** How many sandboxes of `account` match. */
export function countSandboxes({ store }: SandboxDeps, account: Account, filter: SandboxFilter): Promise<number> {
  return store.count(account.id, filter)
}
