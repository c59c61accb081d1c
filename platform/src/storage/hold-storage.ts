import { sql } from 'kysely'
import { quotaExceeded } from '../lib/quota-exceeded.ts'
import type { Queries } from './database.ts'

/**
 * Nobody else of the account takes disk until the transaction `tx` ends, which records what takes it. Throws `limit_exceeded` where
 * so much more goes beyond its quota.
 */
export async function holdStorage(
  tx: Queries,
  { accountId, moreMb, defaults }: { accountId: string; moreMb: number; defaults: object },
): Promise<void> {
  const question = sql<{
    beyond: { quota: string; most: number } | null
  }>`select storage_exceeded(${accountId}, ${moreMb}, ${JSON.stringify(defaults)}::jsonb) as beyond`
  const { rows } = await question.execute(tx)
  if (rows[0]?.beyond) throw quotaExceeded(rows[0].beyond)
}
