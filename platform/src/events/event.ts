/** Everything that other parts may hear of. Past tense, each told in the transaction of the change it tells of. */
export type Event =
  | SandboxCreated
  | SandboxStopped
  | SandboxFailed
  | SandboxTimeoutChanged
  | SandboxNetworkChanged
  | SandboxPaused
  | SandboxResumed
  | SandboxForked
  | SnapshotCreated
  | SnapshotDeleted
  | TemplateBuilt
  | TemplateBuildFailed
  | TemplateDeleted
  | SecretCreated
  | SecretUpdated
  | SecretDeleted
  | VolumeCreated
  | VolumeDeleted
  | BucketCreated
  | BucketDeleted
  | ObjectCreated
  | ObjectRemoved
  | FunctionDeployed
  | FunctionTrafficChanged
  | FunctionAliasChanged
  | FunctionDeleted
  | AgentCreated
  | AgentUpdated
  | AgentDeleted
  | RunStarted
  | RunSuspended
  | RunContinued
  | RunEnded
  | KeyCreated
  | KeyRevoked
  | MemberAdded
  | MemberChanged
  | MemberRemoved
  | WebhookCreated
  | WebhookRotated
  | WebhookDisabled
  | WebhookDeleted
  | QuotaChanged
  | AbuseDetected
  | InvoiceIssued
  | InvoiceCredited
  | InvoicePaid
  | PaymentSucceeded
  | PaymentFailed
  | SpendLimitReached

interface About {
  accountId: string
  /** Id of what it is about. */
  subject: string
}

interface SandboxCreated extends About {
  type: 'sandbox.created'
  data: {
    template: string
    driver: string
    isolation: string
    warm: boolean
    limits: { cpuCores: number; memoryMb: number; diskMb: number }
    gpu?: true
    /** What it goes on from, if not from the beginning. */
    from?: { sandbox: string } | { snapshot: string }
  }
}

interface SandboxStopped extends About {
  type: 'sandbox.stopped'
  data: { reason: string }
}

interface SandboxFailed extends About {
  type: 'sandbox.failed'
  data: { reason: string }
}

interface SandboxTimeoutChanged extends About {
  type: 'sandbox.timeout_changed'
  data: { expiresAt: string }
}

interface SandboxNetworkChanged extends About {
  type: 'sandbox.network_changed'
  data: { internet: boolean; allow: string[]; deny: string[] }
}

interface SandboxPaused extends About {
  type: 'sandbox.paused'
  data: { memory: 'saved' | 'resident' | 'none' }
}

interface SandboxResumed extends About {
  type: 'sandbox.resumed'
  data: { expiresAt: string }
}

/** About the source; each copy is told of by a `sandbox.created` of its own. */
interface SandboxForked extends About {
  type: 'sandbox.forked'
  data: { copies: string[] }
}

interface SnapshotCreated extends About {
  type: 'snapshot.created'
  data: { sandbox?: string; keeps: 'memory' | 'files'; sizeBytes: number }
}

interface SnapshotDeleted extends About {
  type: 'snapshot.deleted'
  data: Record<string, never>
}

interface TemplateBuilt extends About {
  type: 'template.built'
  data: { build: string; tags: string[] }
}

interface TemplateBuildFailed extends About {
  type: 'template.build_failed'
  data: { build: string; reason: string }
}

interface TemplateDeleted extends About {
  type: 'template.deleted'
  data: Record<string, never>
}

interface SecretCreated extends About {
  type: 'secret.created'
  data: { name: string; version: number }
}

/** Another value, and then another version, other hosts or other labels. */
interface SecretUpdated extends About {
  type: 'secret.updated'
  data: { name: string; version: number }
}

interface SecretDeleted extends About {
  type: 'secret.deleted'
  data: { name: string; version: number }
}

interface VolumeCreated extends About {
  type: 'volume.created'
  data: { name: string; sizeMb?: number }
}

/** About a sandbox: what it showed, and what the operator's rule does about it. */
interface AbuseDetected extends About {
  type: 'abuse.detected'
  data: {
    sign: 'cpu' | 'port_scan' | 'fork_storm' | 'egress_burst'
    seen: number
    limit: number
    rule: 'observe' | 'throttle' | 'pause'
  }
}

/** About a key or a token, which is not in it. */
interface KeyCreated extends About {
  type: 'key.created'
  data: { kind: 'key' | 'token'; name: string; role: string; serviceAccountId?: string }
}

interface KeyRevoked extends About {
  type: 'key.revoked'
  data: { kind: 'key' | 'token'; name: string; role: string; serviceAccountId?: string }
}

/** About the person, by their id. */
interface MemberAdded extends About {
  type: 'member.added'
  data: { role: string }
}

interface MemberChanged extends About {
  type: 'member.changed'
  data: { role: string; before: string }
}

interface MemberRemoved extends About {
  type: 'member.removed'
  data: { role: string }
}

/** Without its address, which may carry what lets in at the receiver. */
interface WebhookCreated extends About {
  type: 'webhook.created'
  data: { events: string[] }
}

interface WebhookRotated extends About {
  type: 'webhook.rotated'
  data: { version: number }
}

/** Its receiver said that it is gone. */
interface WebhookDisabled extends About {
  type: 'webhook.disabled'
  data: Record<string, never>
}

interface WebhookDeleted extends About {
  type: 'webhook.deleted'
  data: Record<string, never>
}

/** About the organisation. What is null has its default again. */
interface QuotaChanged extends About {
  type: 'quota.changed'
  data: { quotas: Record<string, number | null> }
}

interface VolumeDeleted extends About {
  type: 'volume.deleted'
  data: { name: string }
}

interface BucketCreated extends About {
  type: 'bucket.created'
  data: { bucket: string }
}

interface BucketDeleted extends About {
  type: 'bucket.deleted'
  data: { bucket: string }
}

/** About the bucket, whose name, and what it holds now, stands beside the key. Told for each write, also over an object that was there. */
interface ObjectCreated extends About {
  type: 'object.created'
  data: { bucket: string; key: string; sizeBytes: number; etag: string; contentType: string; bucketBytes: number }
}

/** About the bucket. */
interface ObjectRemoved extends About {
  type: 'object.removed'
  data: { bucket: string; key: string; sizeBytes: number; etag: string; contentType: string; bucketBytes: number }
}

interface FunctionDeployed extends About {
  type: 'function.deployed'
  data: { name: string; version: number; runtime: string }
}

/** Which versions calls go to from now on, by weight. */
interface FunctionTrafficChanged extends About {
  type: 'function.traffic_changed'
  data: { name: string; targets: { version: number; weight: number }[] }
}

/** Without targets it was removed. */
interface FunctionAliasChanged extends About {
  type: 'function.alias_changed'
  data: { name: string; alias: string; targets: { version: number; weight: number }[] }
}

interface FunctionDeleted extends About {
  type: 'function.deleted'
  data: { name: string }
}

/** About the agent, by its name. What it is told to do is for who looks at it. */
interface AgentCreated extends About {
  type: 'agent.created'
  data: { name: string }
}

/** It has another definition; the same one again tells nothing. */
interface AgentUpdated extends About {
  type: 'agent.updated'
  data: { name: string }
}

/** With what it knew. */
interface AgentDeleted extends About {
  type: 'agent.deleted'
  data: { name: string }
}

/** A run of an agent, by its name. */
interface RunAbout {
  agent: string
  /** The run that has spawned it. */
  parent?: string
}

interface RunStarted extends About {
  type: 'run.started'
  data: RunAbout & {
    conversation: boolean
    /** What it goes on from, if not from the beginning. */
    from?: { run: string }
  }
}

/** A human is asked, or it is a conversation that has answered. */
interface RunSuspended extends About {
  type: 'run.suspended'
  data: RunAbout & {
    waitsFor: 'approval' | 'message'
    approvals?: { id: string; kind: 'tool' | 'unknown_outcome' | 'question' | 'plan_step'; tool?: string }[]
  }
}

/** What waited, or had ended, goes on. */
interface RunContinued extends About {
  type: 'run.continued'
  data: RunAbout & { by: 'answer' | 'message' | 'rollback' }
}

interface RunEnded extends About {
  type: 'run.completed' | 'run.stopped' | 'run.failed' | 'run.cancelled'
  data: RunAbout & {
    reason: string
    steps: number
    /** In all, with what it has spawned. */
    usage: { inputTokens: number; outputTokens: number; cachedInputTokens: number; usd: number }
  }
}

/** Amounts of money are whole numbers of the smallest unit, as text: they may be larger than what a JSON number holds. */
interface InvoiceIssued extends About {
  type: 'invoice.issued'
  data: { number: string; currency: string; totalMinor: string }
}

/** About the credit note. */
interface InvoiceCredited extends About {
  type: 'invoice.credited'
  data: { number: string; currency: string; totalMinor: string; corrects: string }
}

interface InvoicePaid extends About {
  type: 'invoice.paid'
  data: { payment: string }
}

interface PaymentSucceeded extends About {
  type: 'payment.succeeded'
  data: { provider: string; currency: string; amountMinor: string }
}

interface PaymentFailed extends About {
  type: 'payment.failed'
  data: { provider: string; reason: string }
}

/** About the account. At the hard limit no sandbox is started any more. */
interface SpendLimitReached extends About {
  type: 'spend_limit.reached'
  data: { limit: 'soft' | 'hard'; currency: string; spentMinor: string; limitMinor: string }
}
