import type {
  AuditLogTable,
  IdentitiesTable,
  KeysTable,
  LinksTable,
  MembershipsTable,
  OidcLoginsTable,
  OrganisationsTable,
  RecoveryCodesTable,
  RefreshTokensTable,
  ServiceAccountsTable,
  SessionsTable,
  UsersTable,
} from './tables/accounts.ts'
import type {
  AgentBlobsTable,
  AgentDocumentsTable,
  AgentDocumentVectorsTable,
  AgentEntriesTable,
  AgentFactsTable,
  AgentInboxTable,
  AgentRunsTable,
  AgentSnapshotsTable,
  AgentsTable,
} from './tables/agents.ts'
import type { BucketContentsTable, BucketObjectsTable, BucketsTable } from './tables/buckets.ts'
import type {
  FunctionAliasesTable,
  FunctionCodeTable,
  FunctionEventTriggersTable,
  FunctionHooksTable,
  FunctionRoutesTable,
  FunctionSchedulesTable,
  FunctionStorageTriggersTable,
  FunctionsTable,
  FunctionVersionsTable,
  QueuesTable,
} from './tables/functions.ts'
import type {
  SandboxesTable,
  SecretsTable,
  SnapshotsTable,
  TemplateBuildsTable,
  TemplateLogsTable,
  TemplatesTable,
  TemplateTagsTable,
  TemplateUsesTable,
  VolumesTable,
} from './tables/sandboxes.ts'
import type {
  EventCursorsTable,
  EventsTable,
  UsageClockTable,
  UsageFactsTable,
  UsageOpenTable,
  UsageSamplesTable,
  WebhookAttemptsTable,
  WebhookDeliveriesTable,
  WebhooksTable,
} from './tables/usage.ts'

export type * from './tables/accounts.ts'
export type * from './tables/agents.ts'
export type * from './tables/buckets.ts'
export type * from './tables/functions.ts'
export type * from './tables/sandboxes.ts'
export type * from './tables/usage.ts'

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
  buckets: BucketsTable
  bucket_objects: BucketObjectsTable
  bucket_contents: BucketContentsTable
  secrets: SecretsTable
  usage_facts: UsageFactsTable
  events: EventsTable
  event_cursors: EventCursorsTable
  usage_open: UsageOpenTable
  usage_samples: UsageSamplesTable
  usage_clock: UsageClockTable
  webhooks: WebhooksTable
  webhook_deliveries: WebhookDeliveriesTable
  webhook_attempts: WebhookAttemptsTable
  templates: TemplatesTable
  template_builds: TemplateBuildsTable
  template_tags: TemplateTagsTable
  template_logs: TemplateLogsTable
  template_uses: TemplateUsesTable
  functions: FunctionsTable
  function_versions: FunctionVersionsTable
  function_code: FunctionCodeTable
  function_aliases: FunctionAliasesTable
  function_schedules: FunctionSchedulesTable
  function_storage_triggers: FunctionStorageTriggersTable
  function_event_triggers: FunctionEventTriggersTable
  function_hooks: FunctionHooksTable
  function_routes: FunctionRoutesTable
  queues: QueuesTable
  agents: AgentsTable
  agent_runs: AgentRunsTable
  agent_entries: AgentEntriesTable
  agent_blobs: AgentBlobsTable
  agent_inbox: AgentInboxTable
  agent_snapshots: AgentSnapshotsTable
  agent_facts: AgentFactsTable
  agent_documents: AgentDocumentsTable
  agent_document_vectors: AgentDocumentVectorsTable
}
