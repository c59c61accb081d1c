import type { Account } from '../../accounts/account.ts'
import type { Principal } from '../../accounts/principal.ts'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import type { Places } from '../places.ts'
import type { CallTimes } from '../rpc/procedure.ts'

export interface ServiceDeps {
  sandboxes: Sandboxes
  places: Places
  audit: AuditLog
}

/** One call: who makes it, from where. */
export interface RpcCall extends CallTimes {
  account: Account
  principal: Principal
  address: string
  requestId: string
  /** Aborts when the platform stops, and when the caller may not have the answer any more. */
  stopping: AbortSignal
}
