import type { Database } from '../storage/database.ts'
import { chainedHash, firstHash } from './entry.ts'

const pageLength = 1000

interface Link {
  seq: number
  entry: string
  hash: string
}

/** The log of one organisation from its beginning, oldest first; it is read while it is written. */
export async function* readChain({ pool }: Pick<Database, 'pool'>, accountId: string): AsyncGenerator<Link, void> {
  for (let after = 0; ; ) {
    const { rows } = await pool.query<Link>({
      name: 'audit-chain',
      text: 'select seq, entry, hash from audit_log where account_id = $1 and seq > $2 order by seq limit $3',
      values: [accountId, after, pageLength],
    })
    yield* rows
    if (rows.length < pageLength) return
    after = rows.at(-1)!.seq
  }
}

export interface Verdict {
  whole: boolean
  entries: number
  /** Hash of the last one: who has kept it elsewhere sees whether the end was cut off. */
  head: string
  /** The first that is not what it was, or the place of the first that is missing. */
  brokenAt?: number
}

/** Computes the chain anew. */
export async function verifyChain(db: Pick<Database, 'pool'>, accountId: string): Promise<Verdict> {
  let head = firstHash(accountId)
  let entries = 0
  for await (const { seq, entry, hash } of readChain(db, accountId)) {
    if (seq !== entries + 1 || hash !== chainedHash(head, seq, entry))
      return { whole: false, entries, head, brokenAt: entries + 1 }
    head = hash
    entries++
  }
  return { whole: true, entries, head }
}
