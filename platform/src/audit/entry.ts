import { createHash } from 'node:crypto'

/** What is recorded of one call: who, what, from where, with what result. Metadata, never content. */
export interface AuditEntry {
  /** Milliseconds since 1970. */
  at: number
  /**
   * What kind of caller: `admin`, `key`, `user`, `service`, `token` for who has the token of a sandbox, `signature` for who has
   * a signed address, `provider` for who tells of payments, or `platform` for what it does by a rule of the operator.
   */
  actorKind: string
  actor: string
  /** The verb, such as `sandbox.create`. */
  action: string
  /** Id of what it was done to. */
  subject: string
  /** Of the client. */
  address: string
  requestId: string
  /** `begun` is told before the effect; what came of it follows under the same request id. */
  outcome: 'begun' | 'done' | 'refused' | 'failed'
  /** Of the answer; absent while there is none. */
  status?: number
  details?: Record<string, unknown>
}

/** An entry in its place in the chain of its organisation. */
export interface RecordedEntry extends AuditEntry {
  seq: number
  hash: string
}

/** The hash that an entry must have after the one before it. The same as append_audit makes. */
export function chainedHash(previous: string, seq: number, entry: string): string {
  return createHash('sha256').update(`${previous}\n${seq}\n${entry}`).digest('hex')
}

/** What stands before the first entry of an organisation. */
export function firstHash(accountId: string): string {
  return createHash('sha256').update(accountId).digest('hex')
}
