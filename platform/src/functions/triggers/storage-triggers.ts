import { type Selectable, sql, type Transaction } from 'kysely'
import { WarrenError } from '../../errors.ts'
import type { EventBus } from '../../events/bus.ts'
import { changedWithin } from '../../events/changed-within.ts'
import { consume } from '../../events/consume.ts'
import type { RecordedEvent } from '../../events/outbox.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { FunctionStorageTriggersTable, Tables } from '../../storage/tables.ts'
import { chooseVersion } from '../choose-version.ts'
import type { FunctionRecord } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import type { KnownFunction } from '../store.ts'
import {
  type CreateStorageTrigger,
  cloudEventOf,
  isFor,
  isObjectEvent,
  type ObjectEvent,
  type StorageEvent,
  type StorageTrigger,
} from './storage-trigger.ts'

type Deps = Pick<FunctionDeps, 'db' | 'store' | 'dispatcher' | 'now' | 'logger'> & {
  bus: Pick<EventBus, 'end' | 'changed'>
  /** The bucket of an account. Throws `not_found`. */
  bucketOf: (accountId: string, name: string) => Promise<{ id: string; name: string }>
}

const mostOfFunction = 100
/** Each object that comes or goes makes at most so many calls. */
const mostOfBucket = 100
/** Recorded by one statement. */
const callsAtOnce = 1000
/** Looked for at least this often, so that its place does not keep the outbox from being emptied, milliseconds. */
const lookMs = 30_000
/** Tried again so much later, milliseconds. */
const againMs = 1000

/**
 * Calls when objects come and go: the one writer of their table. It reads the outbox from where it stood; its place and the
 * calls that follow change in one transaction, so each event makes each call once, and each call is made at least once.
 */
export class StorageTriggers {
  readonly #deps: Deps
  readonly #ending = new AbortController()
  #running: Promise<void> | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  start(): void {
    this.#running = this.#run()
  }

  async create({ id: functionId, accountId }: FunctionRecord, input: CreateStorageTrigger): Promise<StorageTrigger> {
    const bucket = await this.#deps.bucketOf(accountId, input.bucket)
    const { prefix = '', suffix = '', events = ['object.created'] } = input
    if ((await this.#of(functionId).execute()).length >= mostOfFunction)
      throw new WarrenError('limit_exceeded', `a function has at most ${mostOfFunction} storage triggers`)
    if ((await this.#all().where('bucket_id', '=', bucket.id).execute()).length >= mostOfBucket)
      throw new WarrenError('limit_exceeded', `a bucket has at most ${mostOfBucket} storage triggers`)
    const values = {
      ...{ id: newId('t'), account_id: accountId, function_id: functionId, bucket_id: bucket.id },
      ...{ prefix, suffix, events: [...events], created_at: this.#deps.now() },
    }
    const insertion = this.#deps.db.kysely.insertInto('function_storage_triggers').values(values).returningAll()
    const row = await step('storage_trigger.create', values.id, () => insertion.executeTakeFirstOrThrow())
    return toTrigger({ ...row, bucket: bucket.name })
  }

  async list({ id }: FunctionRecord): Promise<StorageTrigger[]> {
    return (await this.#of(id).orderBy('created_at').execute()).map(toTrigger)
  }

  /** Throws `not_found` where the function has no such trigger. */
  async remove({ id: functionId }: FunctionRecord, id: string): Promise<void> {
    const deletion = this.#deps.db.kysely
      .deleteFrom('function_storage_triggers')
      .where('id', '=', id)
      .where('function_id', '=', functionId)
    const { numDeletedRows } = await step('storage_trigger.remove', id, () => deletion.executeTakeFirstOrThrow())
    if (numDeletedRows === 0n) throw new WarrenError('not_found', `there is no storage trigger "${id.slice(0, 64)}"`)
  }

  async close(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  #of(functionId: string) {
    return this.#all().where('function_id', '=', functionId)
  }

  #all(queries: Pick<Transaction<Tables>, 'selectFrom'> = this.#deps.db.kysely) {
    return queries
      .selectFrom('function_storage_triggers')
      .innerJoin('buckets', 'buckets.id', 'bucket_id')
      .selectAll('function_storage_triggers')
      .select('buckets.name as bucket')
  }

  async #run(): Promise<void> {
    const { bus, logger } = this.#deps
    const { signal } = this.#ending
    for (let lookedAt = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
      const since = bus.end
      let waitMs = lookMs
      try {
        // Most events are of other things, and most platforms have no trigger.
        const isDue = performance.now() - lookedAt >= lookMs
        if (isDue || (await this.#all().limit(1).execute()).length > 0) {
          await this.#look()
          lookedAt = performance.now()
        }
      } catch (err) {
        if (!signal.aborted) logger.warn({ err }, 'events of storage could not be looked at; it is tried again')
        waitMs = againMs
      }
      await changedWithin(bus, { since, ms: waitMs, signal })
    }
  }

  async #look(): Promise<void> {
    const { db, dispatcher } = this.#deps
    let calls = 0
    const handle = async (tx: Transaction<Tables>, events: RecordedEvent[]) => {
      calls = await this.#call(tx, events.filter(isObjectEvent))
    }
    while (!this.#ending.signal.aborted && (await consume(db, { consumer: 'storage-triggers' }, handle)) > 0)
      if (calls > 0) dispatcher.wake()
  }

  /** Answers how many calls follow. */
  async #call(tx: Transaction<Tables>, events: ObjectEvent[]): Promise<number> {
    if (events.length === 0) return 0
    const buckets = [...new Set(events.map(({ subject }) => subject))]
    const triggers = (await this.#all(tx).where('bucket_id', 'in', buckets).execute()).map(toTrigger)
    const functions = new Map<string, KnownFunction>()
    for (const { functionId } of triggers) {
      const known = functions.get(functionId) ?? (await this.#deps.store.byId(functionId))
      if (known) functions.set(functionId, known)
    }
    const calls = events.flatMap((event) =>
      triggers.flatMap((trigger) => {
        const known = functions.get(trigger.functionId)
        if (!known || !isFor(trigger, event)) return []
        return [{ event, functionId: trigger.functionId, version: chooseVersion(known).version }]
      }),
    )
    for (let at = 0; at < calls.length; at += callsAtOnce) {
      const some = calls.slice(at, at + callsAtOnce)
      await sql`insert into function_invocations (id, account_id, function_id, version, trigger, state, payload, due_at, created_at)
        select id, account, function, version, 'storage', 'waiting', convert_to(payload, 'UTF8'), now(), now()
        from unnest(${some.map(() => newId('c'))}::text[], ${some.map(({ event }) => event.accountId)}::text[],
          ${some.map(({ functionId }) => functionId)}::text[], ${some.map(({ version }) => version)}::int[],
          ${some.map(({ event }) => JSON.stringify(cloudEventOf(event)))}::text[])
          as call (id, account, function, version, payload)`.execute(tx)
    }
    return calls.length
  }
}

function toTrigger(row: Selectable<FunctionStorageTriggersTable> & { bucket: string }): StorageTrigger {
  return {
    ...{ id: row.id, functionId: row.function_id, bucketId: row.bucket_id, bucket: row.bucket },
    ...{ prefix: row.prefix, suffix: row.suffix, events: row.events as StorageEvent[] },
    ...{ since: row.since, createdAt: row.created_at },
  }
}
