import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { Sandbox, State } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

export interface ListSandboxes {
  state?: State | readonly State[]
  template?: string
  /** Only those that were created then or later. */
  createdFrom?: Date
  /** By creation; `newest` when left out. A cursor goes on in the order it came from. */
  first?: 'newest' | 'oldest'
  /** Only those that carry all of these labels. */
  metadata?: Record<string, string>
  /** 1 to 1000; 100 when left out. */
  limit?: number
  /** `nextCursor` of the page before. */
  cursor?: string
}

/** The sandboxes of `account`, page by page. */
export async function listSandboxes(
  { store }: SandboxDeps,
  account: Account,
  input: ListSandboxes,
): Promise<{ sandboxes: Sandbox[]; nextCursor: string | undefined }> {
  const limit = input.limit ?? 100
  const after = input.cursor === undefined ? undefined : readCursor(input.cursor)
  // One more than asked for tells whether there is another page.
  const { state, template, createdFrom, metadata = {}, first = 'newest' } = input
  const filter = { state, template, createdFrom, metadata }
  const found = await store.list(account.id, filter, { first, after, limit: limit + 1 })
  const sandboxes = found.slice(0, limit)
  const last = sandboxes.at(-1)
  return { sandboxes, nextCursor: found.length > limit && last ? writeCursor(last) : undefined }
}

export function writeCursor(last: { createdAt: Date; id: string }): string {
  return Buffer.from(`${last.createdAt.getTime()} ${last.id}`).toString('base64url')
}

export function readCursor(cursor: string): { createdAt: Date; id: string } {
  const match = /^(\d{1,15}) ([a-z0-9]{1,64})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  if (!match) throw new WarrenError('invalid_request', 'cursor must be the nextCursor of an earlier answer')
  return { createdAt: new Date(Number(match[1])), id: match[2]! }
}
