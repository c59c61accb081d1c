import { type Selectable, sql, type Transaction } from 'kysely'
import { WarrenError } from '../errors.ts'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import { Turns } from '../lib/turns.ts'
import type { QuotaDefaults } from '../quotas/quota.ts'
import type { Database, Queries } from '../storage/database.ts'
import { holdStorage } from '../storage/hold-storage.ts'
import type { BucketObjectsTable, BucketsTable, Tables } from '../storage/tables.ts'
import type { Bucket, BucketObject } from './bucket.ts'
import { type Condition, checkCondition } from './condition.ts'

const mostBuckets = 1000
const mib = 1024 * 1024

/** The records of buckets, objects and contents: the one writer of their tables. */
export class BucketStore {
  readonly #db: Database
  /** Names this platform among those that share the database. */
  readonly #writer: string
  readonly #turns = new Turns()

  constructor(db: Database, writer: string) {
    this.#db = db
    this.#writer = writer
  }

  /** False when the account has one of that name. */
  create({ id, accountId, name, createdAt }: Bucket): Promise<boolean> {
    return this.#change('bucket.create', id, async (tx) => {
      const { count } = await tx
        .selectFrom('buckets')
        .select((is) => is.fn.countAll<number>().as('count'))
        .where('account_id', '=', accountId)
        .executeTakeFirstOrThrow()
      if (count >= mostBuckets)
        throw new WarrenError('limit_exceeded', `an organisation has at most ${mostBuckets} buckets`)
      const { numInsertedOrUpdatedRows } = await tx
        .insertInto('buckets')
        .values({ id, account_id: accountId, name, created_at: createdAt })
        .onConflict((conflict) => conflict.columns(['account_id', 'name']).doNothing())
        .executeTakeFirstOrThrow()
      if (numInsertedOrUpdatedRows !== 1n) return false
      await appendEvent(tx, { type: 'bucket.created', accountId, subject: id, data: { bucket: name } })
      return true
    })
  }

  async list(accountId: string): Promise<Bucket[]> {
    const query = this.#db.kysely.selectFrom('buckets').selectAll().where('account_id', '=', accountId)
    return (await query.orderBy('name').execute()).map(toBucket)
  }

  async find(accountId: string, name: string): Promise<Bucket | undefined> {
    const query = this.#db.kysely.selectFrom('buckets').selectAll()
    const row = await query.where('account_id', '=', accountId).where('name', '=', name).executeTakeFirst()
    return row && toBucket(row)
  }

  /** Of whichever account. */
  async findAnywhere(id: string): Promise<Bucket | undefined> {
    const row = await this.#db.kysely.selectFrom('buckets').selectAll().where('id', '=', id).executeTakeFirst()
    return row && toBucket(row)
  }

  /** Throws `conflict` while something is in it. */
  remove({ id, accountId, name }: Bucket): Promise<void> {
    return this.#change('bucket.remove', id, async (tx) => {
      const row = await lock(tx, id)
      if (!row) return
      if (row.objects > 0)
        throw new WarrenError('conflict', `the bucket "${name}" has ${row.objects} objects`, {
          hint: 'Delete them first.',
          details: { objects: row.objects },
        })
      await tx.deleteFrom('buckets').where('id', '=', id).execute()
      await appendEvent(tx, { type: 'bucket.deleted', accountId, subject: id, data: { bucket: name } })
    })
  }

  /** Before anything of a content exists. Throws `limit_exceeded`. */
  hold(name: string, { accountId, bytes, at }: Held, defaults: QuotaDefaults): Promise<void> {
    return this.#inTurn(accountId, 'object.hold', name, async (tx) => {
      await holdStorage(tx, { accountId, moreMb: bytes / mib, defaults })
      const values = { id: name, account_id: accountId, writer: this.#writer, size_bytes: bytes, created_at: at }
      await tx
        .insertInto('bucket_contents')
        .values({ ...values, state: 'writing' })
        .execute()
    })
  }

  /** It comes to more than was known. Throws `limit_exceeded`. */
  holdMore(name: string, { accountId, bytes }: Omit<Held, 'at'>, defaults: QuotaDefaults): Promise<void> {
    return this.#inTurn(accountId, 'object.hold_more', name, async (tx) => {
      await holdStorage(tx, { accountId, moreMb: bytes / mib, defaults })
      const more = sql<number>`size_bytes + ${bytes}`
      await tx.updateTable('bucket_contents').set({ size_bytes: more }).where('id', '=', name).execute()
    })
  }

  /** From here on everybody sees the object. Answers what its key named before. Throws `conflict` where the condition does not hold. */
  put(bucket: Bucket, object: BucketObject, condition: Condition): Promise<BucketObject | undefined> {
    const { key, content, sizeBytes, etag, contentType, metadata, modifiedAt } = object
    return this.#inTurn(bucket.id, 'object.put', content, async (tx) => {
      const before = await this.#lockObject(tx, bucket, key)
      checkCondition(condition, before?.etag)
      const values = {
        ...{ content, size_bytes: sizeBytes, etag, content_type: contentType },
        ...{ metadata: JSON.stringify(metadata), modified_at: modifiedAt },
      }
      await tx
        .insertInto('bucket_objects')
        .values({ bucket_id: bucket.id, key, ...values })
        .onConflict((conflict) => conflict.columns(['bucket_id', 'key']).doUpdateSet(values))
        .execute()
      const claim = tx.deleteFrom('bucket_contents').where('id', '=', content).where('state', '=', 'writing')
      const claimed = await claim.executeTakeFirst()
      // Another platform with the same home has begun meanwhile, and taken it for left over.
      if (claimed.numDeletedRows !== 1n) throw new WarrenError('unavailable', 'the content was given up meanwhile')
      if (before) await this.#unneed(tx, bucket, before)
      const bucketBytes = await this.#count(tx, bucket, sizeBytes - (before?.sizeBytes ?? 0), before ? 0 : 1)
      const data = { bucket: bucket.name, key, sizeBytes, etag, contentType, bucketBytes }
      await appendEvent(tx, { type: 'object.created', accountId: bucket.accountId, subject: bucket.id, data })
      return before
    })
  }

  /** Answers what it was; undefined when there is none. Throws `conflict` where the condition does not hold. */
  removeObject(bucket: Bucket, key: string, condition: Condition): Promise<BucketObject | undefined> {
    return this.#inTurn(bucket.id, 'object.remove', bucket.id, async (tx) => {
      const before = await this.#lockObject(tx, bucket, key)
      if (!before) return undefined
      checkCondition(condition, before.etag)
      await tx.deleteFrom('bucket_objects').where('bucket_id', '=', bucket.id).where('key', '=', key).execute()
      await this.#unneed(tx, bucket, before)
      const bucketBytes = await this.#count(tx, bucket, -before.sizeBytes, -1)
      const { sizeBytes, etag, contentType } = before
      const data = { bucket: bucket.name, key, sizeBytes, etag, contentType, bucketBytes }
      await appendEvent(tx, { type: 'object.removed', accountId: bucket.accountId, subject: bucket.id, data })
      return before
    })
  }

  async findObject({ id }: Bucket, key: string): Promise<BucketObject | undefined> {
    return objectIn(this.#db.kysely, id, key)
  }

  /** How the store calls what it has of it in part. */
  async holdUpload(name: string, upload: string): Promise<void> {
    const change = this.#db.kysely.updateTable('bucket_contents').set({ upload }).where('id', '=', name)
    await step('object.hold_upload', name, () => change.execute())
  }

  /** What was begun is not needed after all. Undefined where an object has it: whoever put it may not have been told. */
  async giveUp(name: string): Promise<Unneeded | undefined> {
    const change = this.#db.kysely
      .updateTable('bucket_contents')
      .set({ state: 'unneeded' })
      .where('id', '=', name)
      .where('state', '=', 'writing')
      .returning('upload')
    const row = await step('object.give_up', name, () => change.executeTakeFirst())
    return row && { name, upload: row.upload ?? undefined }
  }

  /** At start: what an earlier process of this platform was writing nobody writes any more. */
  async giveUpAll(): Promise<void> {
    const change = this.#db.kysely
      .updateTable('bucket_contents')
      .set({ state: 'unneeded' })
      .where('writer', '=', this.#writer)
      .where('state', '=', 'writing')
    await step('object.give_up', 'all', () => change.execute())
  }

  /** Contents that are to go, the oldest first, without the first `passed` of them. */
  async unneeded(limit: number, passed: number): Promise<Unneeded[]> {
    const query = this.#db.kysely.selectFrom('bucket_contents').select(['id', 'upload']).where('state', '=', 'unneeded')
    const rows = await query.orderBy('created_at').orderBy('id').offset(passed).limit(limit).execute()
    return rows.map(({ id, upload }) => ({ name: id, upload: upload ?? undefined }))
  }

  /** The content has gone. */
  async forget(name: string): Promise<void> {
    const deletion = this.#db.kysely.deleteFrom('bucket_contents').where('id', '=', name)
    await step('object.forget', name, () => deletion.execute())
  }

  /** The bucket first, whose lock puts its changes, and the events that tell of them, in one order. */
  async #lockObject(tx: Transaction<Tables>, { id, name }: Bucket, key: string): Promise<BucketObject | undefined> {
    if (!(await lock(tx, id))) throw new WarrenError('not_found', `there is no bucket "${name}" any more`)
    return objectIn(tx, id, key)
  }

  async #unneed(tx: Transaction<Tables>, { accountId }: Bucket, { content, sizeBytes }: BucketObject): Promise<void> {
    const values = { id: content, account_id: accountId, writer: this.#writer, size_bytes: sizeBytes }
    await tx
      .insertInto('bucket_contents')
      .values({ ...values, state: 'unneeded', created_at: new Date() })
      .execute()
  }

  async #count(tx: Transaction<Tables>, { id }: Bucket, bytes: number, objects: number): Promise<number> {
    const row = await tx
      .updateTable('buckets')
      .set({ size_bytes: sql`size_bytes + ${bytes}`, objects: sql`objects + ${objects}` })
      .where('id', '=', id)
      .returning('size_bytes')
      .executeTakeFirstOrThrow()
    return row.size_bytes
  }

  /** Whoever would wait for a lock waits here: else those of one bucket would have all connections. */
  #inTurn<T>(lock: string, name: string, subject: string, change: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#turns.take(lock, () => this.#change(name, subject, change))
  }

  #change<T>(name: string, subject: string, change: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return step(name, subject, () => this.#db.transaction(change))
  }
}

/** A content that is to go. */
export interface Unneeded {
  name: string
  upload?: string | undefined
}

interface Held {
  accountId: string
  bytes: number
  at: Date
}

function lock(tx: Transaction<Tables>, id: string) {
  return tx.selectFrom('buckets').select('objects').where('id', '=', id).forUpdate().executeTakeFirst()
}

async function objectIn(queries: Queries, bucketId: string, key: string): Promise<BucketObject | undefined> {
  const query = queries.selectFrom('bucket_objects').selectAll().where('bucket_id', '=', bucketId)
  const row = await query.where('key', '=', key).executeTakeFirst()
  return row && toObject(row)
}

function toBucket(row: Selectable<BucketsTable>): Bucket {
  return {
    ...{ id: row.id, accountId: row.account_id, name: row.name },
    ...{ sizeBytes: row.size_bytes, objects: row.objects, createdAt: row.created_at },
  }
}

export function toObject(row: Selectable<BucketObjectsTable>): BucketObject {
  return {
    ...{ key: row.key, content: row.content, sizeBytes: row.size_bytes, etag: row.etag },
    ...{ contentType: row.content_type, metadata: row.metadata, modifiedAt: row.modified_at },
  }
}
