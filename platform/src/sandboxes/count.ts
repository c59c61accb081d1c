import type { Account } from '../accounts/account.ts'
import type { SandboxDeps } from './sandboxes.ts'
import type { SandboxFilter } from './store.ts'

/** How many sandboxes of `account` match. */
export function countSandboxes({ store }: SandboxDeps, account: Account, filter: SandboxFilter): Promise<number> {
  return store.count(account.id, filter)
}
