import type { ColumnType, Generated } from 'kysely'
import type { Json, OptionalJson } from './column.ts'

export interface KeysTable {
  id: string
  account_id: string
  kind: 'key' | 'token'
  name: string
  hash: string
  mask: Json<unknown>
  created_at: Date
  last_used_at: Date | null
  role: RoleName
  scopes: OptionalJson<string[]>
  expires_at: Date | null
  created_by: string | null
  service_id: string | null
}

type RoleName = 'owner' | 'admin' | 'developer' | 'billing' | 'viewer'

export interface OrganisationsTable {
  id: string
  name: string
  max_sandboxes: number | null
  created_at: Date
}

export interface UsersTable {
  id: string
  email: string
  name: string
  password: string | null
  totp_secret: string | null
  totp_since: Date | null
  totp_step: Generated<number>
  created_at: Date
}

export interface IdentitiesTable {
  issuer: string
  subject: string
  user_id: string
  created_at: Date
}

export interface RecoveryCodesTable {
  user_id: string
  hash: string
  used_at: Date | null
}

export interface MembershipsTable {
  account_id: string
  user_id: string
  role: RoleName
  created_at: Date
}

export interface ServiceAccountsTable {
  id: string
  account_id: string
  name: string
  role: RoleName
  created_by: string
  created_at: Date
}

export interface LinksTable {
  id: string
  kind: 'invitation' | 'password'
  email: string
  account_id: string | null
  role: RoleName | null
  created_by: string
  created_at: Date
  expires_at: Date
  used_at: Date | null
}

export interface SessionsTable {
  id: string
  user_id: string
  method: 'password' | 'oidc'
  address: string
  agent: string
  created_at: Date
  last_used_at: Date
  expires_at: Date
  ended_at: Date | null
  end_reason: string | null
}

export interface RefreshTokensTable {
  hash: string
  session_id: string
  created_at: Date
  used_at: Date | null
}

export interface OidcLoginsTable {
  state: string
  nonce: string
  verifier: string
  client_challenge: string
  return_to: string
  expires_at: Date
  code: string | null
  user_id: string | null
}

export interface AuditLogTable {
  account_id: string
  seq: number
  entry: string
  hash: string
  at_ms: ColumnType<number, never, never>
  actor: ColumnType<string, never, never>
  action: ColumnType<string, never, never>
  subject: ColumnType<string, never, never>
}
