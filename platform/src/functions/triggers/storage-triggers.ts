import type { Selectable, Transaction } from 'kysely'
import { WarrenError } from '../../errors.ts'
import type { EventBus } from '../../events/bus.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { FunctionStorageTriggersTable, Tables } from '../../storage/tables.ts'
import { chooseVersion } from '../choose-version.ts'
import type { FunctionRecord } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import type { KnownFunction } from '../store.ts'
import { OutboxFollower } from './follow-outbox.ts'
import { insertCalls } from './insert-calls.ts'
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

/** Calls when objects come and go: the one writer of their table. */
export class StorageTriggers {
  readonly #deps: Deps
  readonly #follower: OutboxFollower

  constructor(deps: Deps) {
    this.#deps = deps
    this.#follower = new OutboxFollower(deps, {
      consumer: 'storage-triggers',
      isWanted: async () => (await this.#all().limit(1).execute()).length > 0,
      call: (tx, events) => this.#call(tx, events.filter(isObjectEvent)),
    })
  }

  start(): void {
    this.#follower.start()
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

  close(): Promise<void> {
    return this.#follower.close()
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
        const { accountId, functionId } = trigger
        return [{ accountId, functionId, version: chooseVersion(known).version, event: cloudEventOf(event) }]
      }),
    )
    await insertCalls(tx, 'storage', calls)
    return calls.length
  }
}

function toTrigger(row: Selectable<FunctionStorageTriggersTable> & { bucket: string }): StorageTrigger {
  return {
    ...{ id: row.id, accountId: row.account_id, functionId: row.function_id },
    ...{ bucketId: row.bucket_id, bucket: row.bucket },
    ...{ prefix: row.prefix, suffix: row.suffix, events: row.events as StorageEvent[] },
    ...{ since: row.since, createdAt: row.created_at },
  }
}
