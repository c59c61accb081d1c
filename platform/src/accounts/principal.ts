import type { Account } from './account.ts'
import type { Permission, Role } from './roles.ts'

/** Who calls. */
export interface Principal {
  /** The operator with the admin key, a key of an organisation, a person, or a service account. */
  kind: 'admin' | 'key' | 'user' | 'service'
  id: string
  /** The organisation it acts for in this request. */
  accountId: string
  role: Role | 'operator'
  /** What its key is narrowed to; undefined: nothing but the role narrows it. */
  scopes: readonly Permission[] | undefined
  /** Of a person: by which session. */
  sessionId?: string
  /** Of a key and of a service account: by which key. */
  keyId?: string
}

/** Who calls, and for which organisation. */
export interface Caller {
  account: Account
  principal: Principal
}
