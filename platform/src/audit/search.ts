import { WarrenError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import type { AuditEntry, RecordedEntry } from './entry.ts'

export interface AuditQuery {
  actor?: string | undefined
  /** A verb, or the beginning of several: `sandbox.`. */
  action?: string | undefined
  subject?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
  limit: number
  cursor?: string | undefined
}

/** Entries of one organisation, newest first, by pages. Throws `invalid_request` for a cursor that is none. */
export async function searchAudit(
  { kysely }: Pick<Database, 'kysely'>,
  accountId: string,
  { actor, action, subject, from, to, limit, cursor }: AuditQuery,
): Promise<{ entries: RecordedEntry[]; nextCursor?: string }> {
  let query = kysely.selectFrom('audit_log').select(['seq', 'entry', 'hash']).where('account_id', '=', accountId)
  if (actor) query = query.where('actor', '=', actor)
  if (action)
    query = action.endsWith('.')
      ? query.where('action', 'like', likeBegins(action))
      : query.where('action', '=', action)
  if (subject) query = query.where('subject', '=', subject)
  if (from) query = query.where('at_ms', '>=', from.getTime())
  if (to) query = query.where('at_ms', '<', to.getTime())
  if (cursor) query = query.where('seq', '<', placeOf(cursor))
  const rows = await query
    .orderBy('seq', 'desc')
    .limit(limit + 1)
    .execute()
  const entries = rows.slice(0, limit).map(entryOf)
  return { entries, ...(rows.length > limit ? { nextCursor: String(entries.at(-1)!.seq) } : {}) }
}

export function entryOf({ seq, entry, hash }: { seq: number; entry: string; hash: string }): RecordedEntry {
  return { seq, ...(JSON.parse(entry) as AuditEntry), hash }
}

function likeBegins(text: string): string {
  return `${text.replace(/[\\%_]/g, '\\$&')}%`
}

function placeOf(cursor: string): number {
  if (/^[1-9]\d{0,14}$/.test(cursor)) return Number(cursor)
  throw new WarrenError('invalid_request', 'the cursor is not one that this list gave')
}
