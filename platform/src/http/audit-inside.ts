import type { ServerResponse } from 'node:http'
import type { AuditLog } from '../audit/audit-log.ts'
import type { AuditEntry } from '../audit/entry.ts'

/** What somebody does inside a sandbox. */
export interface Inside {
  accountId: string
  actorKind: string
  actor: string
  action: string
  /** The sandbox, and what in it. */
  subject: string
  /** Stands in the log before it has an effect. */
  first: boolean
  details?: Record<string, unknown>
}

/** Records a call of a door that fastify does not serve: the inside of sandboxes, and terminals. */
export function auditInside(
  audit: AuditLog,
  { accountId, first, ...about }: Inside,
  { address, response, requestId }: { address: string; response?: ServerResponse; requestId: string },
): void {
  const entry = (): Omit<AuditEntry, 'outcome'> => ({ at: Date.now(), ...about, address, requestId })
  if (first) audit.begin(accountId, { ...entry(), outcome: 'begun' })
  response?.once('close', () => {
    const { statusCode: status, headersSent } = response
    const outcome = !headersSent || status >= 500 ? 'failed' : status >= 400 ? 'refused' : 'done'
    audit.tell(accountId, { ...entry(), outcome, ...(headersSent ? { status } : {}) })
  })
}
