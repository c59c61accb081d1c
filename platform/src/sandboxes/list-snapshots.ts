import type { Account } from '../accounts/account.ts'
import { readCursor, writeCursor } from './list.ts'
import type { SandboxDeps } from './sandboxes.ts'
import type { Snapshot } from './snapshot.ts'

export interface ListSnapshots {
  name?: string
  /** Only those whose name begins so. */
  nameBegins?: string
  /** Only those that were taken of this sandbox. */
  sandbox?: string
  /** 1 to 1000; 100 when left out. */
  limit?: number
  /** `nextCursor` of the page before. */
  cursor?: string
}

/** The snapshots of `account`, newest first, page by page. */
export async function listSnapshots(
  { snapshots }: SandboxDeps,
  account: Account,
  { name, nameBegins, sandbox, limit = 100, cursor }: ListSnapshots,
): Promise<{ snapshots: Snapshot[]; nextCursor: string | undefined }> {
  const after = cursor === undefined ? undefined : readCursor(cursor)
  // One more than asked for tells whether there is another page.
  const found = await snapshots.list(account.id, { name, nameBegins, sandbox, after, limit: limit + 1 })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return { snapshots: page, nextCursor: found.length > limit && last ? writeCursor(last) : undefined }
}
