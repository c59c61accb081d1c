import { Type } from 'typebox'
import { Refusal } from './refusal.ts'

/** What a list that comes by pages can be asked with. */
export const pageFields = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  nextToken: Type.Optional(Type.String({ maxLength: 512 })),
}

const usualLength = 100

/**
 * A page of `all`, the highest key first, and the token of the next one. A token says where to go on and names nothing: what
 * was removed meanwhile is no trouble. Throws 400 for a token that is none.
 */
export function pageOf<T>(
  all: readonly T[],
  keyOf: (one: T) => string,
  { limit = usualLength, nextToken }: { limit?: number | undefined; nextToken?: string | undefined },
): { page: T[]; next: string | undefined } {
  const below = nextToken === undefined ? undefined : keyIn(nextToken)
  const rest = all
    .map((one) => ({ one, key: keyOf(one) }))
    .filter(({ key }) => below === undefined || key < below)
    .sort((one, other) => (one.key < other.key ? 1 : -1))
  const page = rest.slice(0, limit)
  const next = rest.length > limit ? Buffer.from(`p ${page.at(-1)!.key}`).toString('base64url') : undefined
  return { page: page.map(({ one }) => one), next }
}

function keyIn(token: string): string {
  const text = Buffer.from(token, 'base64url').toString()
  if (!text.startsWith('p ')) throw new Refusal(400, 'Invalid next token')
  return text.slice(2)
}
