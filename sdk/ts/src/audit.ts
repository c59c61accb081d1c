import type { Transport } from './transport.ts'

/** What somebody did. `at` is ISO 8601. */
export interface AuditEntry {
  /** Its place in the chain of the organisation, from 1, without gaps. */
  seq: number
  at: string
  actorKind: string
  actor: string
  action: string
  subject: string
  address: string
  requestId: string
  /** `begun` was written before the effect; what came of it has the same `requestId`. */
  outcome: 'begun' | 'done' | 'refused' | 'failed'
  status?: number
  details?: Record<string, unknown>
  hash: string
}

export interface AuditQuery {
  actor?: string | undefined
  /** A verb; with a dot at its end, all that begin so: `file.` */
  action?: string | undefined
  subject?: string | undefined
  /** ISO 8601. */
  from?: string | undefined
  to?: string | undefined
  limit?: number | undefined
  cursor?: string | undefined
}

export interface AuditVerdict {
  whole: boolean
  entries: number
  /** Hash of the last entry: keep it elsewhere, and you see whether the end was cut off. */
  head: string
  brokenAt?: number
}

/** Who did what in the organisation. */
export class Audit {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** A page, newest first. */
  list(query: AuditQuery = {}): Promise<{ entries: AuditEntry[]; nextCursor?: string }> {
    return this.#transport.json('GET', '/v1/audit', { query: { ...query } })
  }

  /** The whole log, oldest first, as lines of JSON. */
  async export(): Promise<ReadableStream<Uint8Array>> {
    return (await this.#transport.send('GET', '/v1/audit/export')).body!
  }

  /** Lets the server compute the chain of hashes anew. */
  verify(): Promise<AuditVerdict> {
    return this.#transport.json('GET', '/v1/audit/verify')
  }
}
