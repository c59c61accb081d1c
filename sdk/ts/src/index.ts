export type {
  AgentDocument,
  AgentFact,
  AgentInfo,
  AgentSpec,
  Agents,
  Experience,
  GraphNode,
  McpServer,
  Passage,
  Skill,
} from './agents.ts'
export type { Audit, AuditEntry, AuditQuery, AuditVerdict } from './audit.ts'
export type { Auth, Me, Role, SessionInfo, SignedIn } from './auth.ts'
export type {
  Billing,
  BillingOverview,
  BillingVerification,
  Card,
  CouponTerms,
  DemoStep,
  Invoice,
  InvoiceLine,
  Money,
  NewCreditNote,
  NewPayment,
  Payment,
  Plan,
  UsageOfSubject,
  UsagePreview,
} from './billing.ts'
export type { Browser, BrowserOptions, Evaluated, PageElement, PageSnapshot, PageState } from './browser.ts'
export type { BucketInfo, Buckets } from './buckets.ts'
export type { Console } from './console.ts'
export type {
  Context,
  ContextExecuteOptions,
  ContextInfo,
  ContextLanguage,
  ContextOutcome,
  ContextOutput,
  ContextResult,
  Contexts,
} from './contexts.ts'
export { type ErrorCode, errorStatus, WarrenError } from './error.ts'
export type { EventOptions, Events, WarrenEvent } from './events.ts'
export type {
  ExecuteOptions,
  ExecuteResult,
  Language,
  OutputCallbacks,
  ProcessExit,
  ProcessOptions,
} from './execute.ts'
export type { FileChange, FileWatch } from './file-watch.ts'
export type { FileOptions, FileStat, Files, ReadOptions, WriteOptions } from './files.ts'
export type {
  DeployOptions,
  EventTriggerInfo,
  FunctionInfo,
  FunctionLogEntry,
  FunctionRuntime,
  FunctionSettings,
  Functions,
  FunctionTarget,
  FunctionVersion,
  HookInfo,
  HookOptions,
  HookScheme,
  Invocation,
  InvokeOptions,
  RouteInfo,
  RouteOptions,
  ScheduleInfo,
  StorageTriggerInfo,
} from './functions.ts'
export type { CreateKeyOptions, KeyInfo, Keys, ServiceAccountInfo } from './keys.ts'
export type { LogEntry } from './logs.ts'
export type { HeaderRule, Network, NetworkEntry, NetworkPolicy, NetworkReport } from './network.ts'
export type { Node, Nodes } from './nodes.ts'
export type {
  GetObjectOptions,
  ListObjectsOptions,
  ObjectCondition,
  ObjectInfo,
  ObjectPage,
  Objects,
  PutObjectOptions,
  SignOptions,
} from './objects.ts'
export type { InvitationInfo, MemberInfo, OrgInfo, Orgs } from './orgs.ts'
export type { OutputChunk } from './output-chunk.ts'
export type { Port, Ports } from './ports.ts'
export type { OutputOptions, Process, SpawnOptions, TerminalSize } from './process.ts'
export type { Processes, ProcessInfo } from './processes.ts'
export type { QueueInfo, QueueMessage, Queues } from './queues.ts'
export type { Quota, QuotaName, Quotas } from './quotas.ts'
export type {
  Approval,
  MessageMode,
  ReplayResult,
  RunEntry,
  RunEvent,
  RunInfo,
  RunState,
  Runs,
} from './runs.ts'
export type { CopyOptions, Metrics, Posture, PostureCheck, Sandbox, SandboxInfo, SandboxState } from './sandbox.ts'
export type { CreateOptions, Isolation, Limits, ListOptions, Sandboxes } from './sandboxes.ts'
export type { SecretInfo, SecretOptions, Secrets } from './secrets.ts'
export type { ListSnapshotsOptions, SnapshotInfo, Snapshots } from './snapshots.ts'
export type {
  BuildLogEntry,
  BuildState,
  BuildTemplateOptions,
  DockerfilePlan,
  Template,
  TemplateBuild,
  TemplateStep,
  Templates,
} from './templates.ts'
export type { Terminal, TerminalOptions } from './terminal.ts'
export type { Content } from './transport.ts'
export type { TopSandbox, UsageAmounts, UsageGrouping, UsageOptions, UsageReport } from './usage.ts'
export type { VolumeInfo, Volumes } from './volumes.ts'
export { type RuntimeReport, Warren, type WarrenOptions } from './warren.ts'
export type { WebhookDelivery, WebhookInfo, Webhooks } from './webhooks.ts'
