import type { ColumnType, Generated } from 'kysely'

/** The tables as the migrations leave them, for kysely. Each is written by the one part named above it there. */
export interface Tables {
  sandboxes: SandboxesTable
  snapshots: SnapshotsTable
  keys: KeysTable
  organisations: OrganisationsTable
  users: UsersTable
  identities: IdentitiesTable
  recovery_codes: RecoveryCodesTable
  memberships: MembershipsTable
  service_accounts: ServiceAccountsTable
  links: LinksTable
  sessions: SessionsTable
  refresh_tokens: RefreshTokensTable
  oidc_logins: OidcLoginsTable
  audit_log: AuditLogTable
  volumes: VolumesTable
  secrets: SecretsTable
  usage_facts: UsageFactsTable
  events: EventsTable
  event_cursors: EventCursorsTable
  usage_open: UsageOpenTable
  usage_samples: UsageSamplesTable
  usage_clock: UsageClockTable
  templates: TemplatesTable
  template_builds: TemplateBuildsTable
  template_tags: TemplateTagsTable
  template_logs: TemplateLogsTable
  agents: AgentsTable
  agent_runs: AgentRunsTable
  agent_entries: AgentEntriesTable
  agent_blobs: AgentBlobsTable
  agent_inbox: AgentInboxTable
  agent_facts: AgentFactsTable
}

/** JSON is handed over as text (`JSON.stringify`): pg would write an array as one of PostgreSQL's own. */
type Json<T> = ColumnType<T, string, string>
type OptionalJson<T> = ColumnType<T | null, string | null | undefined, string | null>

export interface SandboxesTable {
  id: string
  account_id: string
  template: string
  state: 'starting' | 'running' | 'pausing' | 'paused' | 'resuming' | 'stopping' | 'stopped' | 'failed'
  instance_id: string | null
  runtime: OptionalJson<unknown>
  limits: Json<unknown>
  env: Json<Record<string, string>>
  metadata: Json<Record<string, string>>
  network: ColumnType<unknown, string | undefined, string>
  volumes: ColumnType<unknown, string | undefined, string>
  warm: boolean | null
  created_at: Generated<Date>
  expires_at: Date | null
  ended_at: Date | null
  end_reason: string | null
  paused_memory: 'saved' | 'resident' | null
  /** A bigint, which pg reads as text. */
  remaining_ms: string | null
  lifecycle: ColumnType<unknown, string | undefined, string>
  paused_at: Date | null
}

export interface SnapshotsTable {
  id: string
  account_id: string
  name: string | null
  state: 'creating' | 'ready' | 'deleting'
  sandbox_id: string | null
  template: string | null
  driver: string | null
  keeps: 'memory' | 'files' | null
  limits: OptionalJson<unknown>
  size_bytes: string | null
  created_at: Date
}

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

interface IdentitiesTable {
  issuer: string
  subject: string
  user_id: string
  created_at: Date
}

interface RecoveryCodesTable {
  user_id: string
  hash: string
  used_at: Date | null
}

interface MembershipsTable {
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

interface RefreshTokensTable {
  hash: string
  session_id: string
  created_at: Date
  used_at: Date | null
}

interface OidcLoginsTable {
  state: string
  nonce: string
  verifier: string
  client_challenge: string
  return_to: string
  expires_at: Date
  code: string | null
  user_id: string | null
}

interface AuditLogTable {
  account_id: string
  seq: number
  entry: string
  hash: string
  at_ms: ColumnType<number, never, never>
  actor: ColumnType<string, never, never>
  action: ColumnType<string, never, never>
  subject: ColumnType<string, never, never>
}

export interface VolumesTable {
  id: string
  account_id: string
  name: string
  state: 'creating' | 'ready' | 'deleting'
  size_mb: number | null
  created_at: Date
}

export interface SecretsTable {
  id: string
  account_id: string
  name: string
  version: number
  sealed: string
  hosts: Json<string[]>
  metadata: Json<Record<string, string>>
  created_at: Date
  updated_at: Date
}

export interface EventsTable {
  seq: Generated<number>
  xid: Generated<string>
  type: string
  account_id: string
  subject: string
  data: Json<unknown>
  at: Generated<Date>
}

export interface TemplatesTable {
  id: string
  account_id: string
  name: string
  description: Generated<string>
  created_at: Date
  updated_at: Date
  deleted_at: Date | null
}

export interface TemplateBuildsTable {
  id: string
  template_id: string
  account_id: string
  state: 'waiting' | 'building' | 'ready' | 'error'
  plan: OptionalJson<unknown>
  tags: Json<string[]>
  limits: Json<unknown>
  reason: OptionalJson<unknown>
  created_at: Date
  finished_at: Date | null
}

export interface TemplateTagsTable {
  template_id: string
  tag: string
  build_id: string
  created_at: Date
}

export interface TemplateLogsTable {
  build_id: string
  seq: number
  at: Date
  level: string
  step: string | null
  message: string
}

export interface UsageFactsTable {
  seq: Generated<number>
  key: string
  account_id: string
  kind: string
  subject: string
  started_at: Date
  ended_at: Date
  cpu_ms: Generated<number>
  memory_mb_ms: Generated<number>
  disk_mb_ms: Generated<number>
  network_in_bytes: Generated<number>
  network_out_bytes: Generated<number>
  gpu_ms: Generated<number>
  attributes: Json<Record<string, string>>
}

export interface EventCursorsTable {
  consumer: string
  xid: Generated<string>
  seq: Generated<number>
}

export interface UsageOpenTable {
  subject: string
  account_id: string
  kind: 'sandbox' | 'storage'
  state: 'running' | 'resident' | 'stored'
  number: number
  started_at: Date
  memory_mb: number
  disk_mb: number
  gpu: boolean
  attributes: Json<Record<string, string>>
  skew_ms: number
  turn: number
}

export interface UsageSamplesTable {
  subject: string
  at: Date
  leaving_at: Date | null
  cpu_counter: string | null
  cpu_usec: Generated<number>
  cpu_total_usec: Generated<number>
  cpu_told_usec: Generated<number>
  network_counter: string | null
  bytes_in: Generated<number>
  bytes_in_total: Generated<number>
  bytes_in_told: Generated<number>
  bytes_out: Generated<number>
  bytes_out_total: Generated<number>
  bytes_out_told: Generated<number>
  memory_mb: Generated<number>
  disk_mb: Generated<number>
}

export interface UsageClockTable {
  one: Generated<boolean>
  boot_id: string
  uptime_ms: number
  at: Date
  turn: number
}

export interface AgentsTable {
  account_id: string
  name: string
  spec: Json<unknown>
  created_at: Date
  updated_at: Date
}

export interface AgentRunsTable {
  id: string
  account_id: string
  agent: string
  conversation: boolean
  state: 'queued' | 'running' | 'waiting' | 'done' | 'stopped' | 'failed' | 'cancelled'
  reason: string | null
  result: OptionalJson<unknown>
  root_id: string
  parent_id: string | null
  once_key: string | null
  fence: Generated<number>
  holder: string | null
  lease_until: Date | null
  cancel_requested: Generated<boolean>
  steps: Generated<number>
  usage: ColumnType<unknown, string | undefined, string>
  created_at: Date
  ended_at: Date | null
}

export interface AgentEntriesTable {
  run_id: string
  seq: number
  at: Date
  type: string
  data: Json<unknown>
}

export interface AgentBlobsTable {
  run_id: string
  hash: string
  data: Buffer
}

export interface AgentInboxTable {
  seq: Generated<number>
  run_id: string
  id: string
  mode: 'steer' | 'follow_up' | 'interrupt'
  text: string
  at: Date
}

export interface AgentFactsTable {
  account_id: string
  agent: string
  hash: string
  text: string
  run_id: string
  at: Date
}
