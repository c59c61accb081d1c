import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import type { Queries } from '../storage/database.ts'
import type { Bucket, BucketObject } from './bucket.ts'
import { toObject } from './store.ts'

export interface ListObjects {
  /** Only keys that begin with it. */
  prefix?: string | undefined
  /** What is the same up to it, behind the prefix, is told as one prefix. */
  delimiter?: string | undefined
  limit: number
  cursor?: string | undefined
}

export interface ObjectPage {
  objects: BucketObject[]
  prefixes: string[]
  /** Goes on after this page; undefined when there is no more. */
  cursor: string | undefined
}

/** Behind every key that begins like what stands before it: the last character there is. */
const last = String.fromCodePoint(0x10ffff)

/** Objects by their keys, in the order of their bytes. */
export async function listObjects(
  queries: Queries,
  { id }: Bucket,
  { prefix = '', delimiter = '', limit, cursor }: ListObjects,
): Promise<ObjectPage> {
  const after = cursor === undefined ? '' : decode(cursor)
  const names = await namesAfter(queries, { bucketId: id, prefix, delimiter, after, limit: limit + 1 })
  const page = names.slice(0, limit)
  const keys = page.flatMap(({ key, common }) => (common === null ? [key] : []))
  const found = await queries
    .selectFrom('bucket_objects')
    .selectAll()
    .where('bucket_id', '=', id)
    .where(sql<boolean>`key = any(${keys}::text[])`)
    .orderBy('key')
    .execute()
  const end = page.at(-1)
  return {
    objects: found.map(toObject),
    prefixes: page.flatMap(({ common }) => (common === null ? [] : [common])),
    cursor: names.length > limit && end ? encode(resumeAfter(end)) : undefined,
  }
}

interface Name {
  key: string
  /** The prefix that it is told as, where it is. */
  common: string | null
}

/** From one name to the next by the index: what lies below a prefix is not looked at, however much it is. */
async function namesAfter(
  queries: Queries,
  from: { bucketId: string; prefix: string; delimiter: string; after: string; limit: number },
): Promise<Name[]> {
  const { bucketId, prefix, delimiter, after, limit } = from
  const next = (behind: ReturnType<typeof sql>) => sql`
    select key, case when ${delimiter} <> '' and strpos(substr(key, length(${prefix}) + 1), ${delimiter}) > 0
        then left(key, length(${prefix}) + strpos(substr(key, length(${prefix}) + 1), ${delimiter}) + length(${delimiter}) - 1) end as common
      from bucket_objects
      where bucket_id = ${bucketId} and key > ${behind} collate "C" and key >= ${prefix} collate "C" and key < ${prefix + last} collate "C"
      order by key limit 1`
  const { rows } = await sql<Name>`
    with recursive names (key, common, number) as (
      select first.key, first.common, 1 from (${next(sql`${after}::text`)}) first
      union all
      select following.key, following.common, number + 1
        from names, lateral (${next(sql`coalesce(names.common || ${last}, names.key)`)}) following
        where number < ${limit}
    ) select key, common from names order by number`.execute(queries)
  return rows
}

function resumeAfter({ key, common }: Name): string {
  return common === null ? key : common + last
}

function encode(name: string): string {
  return Buffer.from(name).toString('base64url')
}

function decode(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString('utf8')
  if (encode(name) === cursor && name !== '' && !name.includes('\0')) return name
  throw new WarrenError('invalid_request', `"${cursor.slice(0, 40)}" is no cursor of a list of objects`)
}
