import type { Selectable } from 'kysely'
import type { Account } from '../../accounts/account.ts'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { QueuesTable } from '../../storage/tables.ts'
import { checkName } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import type { Message, PutQueue, Queue, SendMessages } from './queue.ts'

type Deps = Pick<FunctionDeps, 'db' | 'store' | 'now'>

const mostQueues = 1000
/** Of one message as JSON, bytes. */
const mostBodyBytes = 256 * 1024

interface MessageRow {
  id: string
  body: unknown
  group_key: string | null
  receives: number
  receipt: string
  enqueued_at: Date
}

/** Durable queues: the one writer of their tables. */
export class Queues {
  readonly #deps: Deps
  /** Told of queues that have something new. */
  onSent: () => void = () => {}

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Makes a queue, or gives one other settings. */
  async put(account: Account, name: string, input: PutQueue): Promise<Queue> {
    checkName('a queue', name)
    const { visibilitySeconds = 30, maxReceives = 5, deadLetterQueue, function: functionName, batch = 10 } = input
    if (deadLetterQueue === name) throw new WarrenError('invalid_request', 'a queue cannot have its own dead letters')
    if (deadLetterQueue !== undefined) await this.get(account.id, deadLetterQueue)
    const called = functionName === undefined ? undefined : await this.#deps.store.get(account.id, functionName)
    const values = {
      visibility_seconds: visibilitySeconds,
      max_receives: maxReceives,
      dead_letter_queue: deadLetterQueue ?? null,
      function_id: called?.record.id ?? null,
      batch,
    }
    if ((await this.list(account)).length >= mostQueues)
      throw new WarrenError('limit_exceeded', `an account has at most ${mostQueues} queues`)
    const id = newId('q')
    const insertion = this.#deps.db.kysely
      .insertInto('queues')
      .values({ id, account_id: account.id, name, ...values, created_at: this.#deps.now() })
      .onConflict((conflict) => conflict.columns(['account_id', 'name']).doUpdateSet(values))
      .returningAll()
    const row = await step('queue.put', id, () => insertion.executeTakeFirstOrThrow())
    this.onSent()
    return toQueue(row)
  }

  /** Throws `not_found` for what is not the account's. */
  async get(accountId: string, name: string): Promise<Queue> {
    const query = this.#deps.db.kysely
      .selectFrom('queues')
      .selectAll()
      .where('account_id', '=', accountId)
      .where('name', '=', name)
    const row = await query.executeTakeFirst()
    if (!row) throw new WarrenError('not_found', `there is no queue "${name.slice(0, 64)}"`)
    return toQueue(row)
  }

  async list(account: Account): Promise<Queue[]> {
    const query = this.#deps.db.kysely.selectFrom('queues').selectAll().where('account_id', '=', account.id)
    return (await query.orderBy('name').execute()).map(toQueue)
  }

  /** Of whomever, with a function that their messages go to. */
  async withFunction(): Promise<Queue[]> {
    const query = this.#deps.db.kysely.selectFrom('queues').selectAll().where('function_id', 'is not', null)
    return (await query.execute()).map(toQueue)
  }

  async remove(account: Account, name: string): Promise<void> {
    const { id } = await this.get(account.id, name)
    await step('queue.remove', id, () => this.#deps.db.kysely.deleteFrom('queues').where('id', '=', id).execute())
  }

  /** How many messages wait, and how many are received and not deleted. */
  async depth({ id }: Queue): Promise<{ waiting: number; inFlight: number }> {
    const { rows } = await this.#deps.db.pool.query<{ waiting: string; in_flight: string }>(
      `select count(*) filter (where receipt is null or visible_at <= now()) as waiting,
        count(*) filter (where receipt is not null and visible_at > now()) as in_flight
        from queue_messages where queue_id = $1`,
      [id],
    )
    return { waiting: Number(rows[0]!.waiting), inFlight: Number(rows[0]!.in_flight) }
  }

  /** Answers the ids, in order. After this they last. */
  async send(account: Account, name: string, { messages }: SendMessages): Promise<string[]> {
    const { id } = await this.get(account.id, name)
    const bodies = messages.map(({ body }) => JSON.stringify(body ?? null))
    for (const body of bodies)
      if (body.length > mostBodyBytes)
        throw new WarrenError('too_large', `a message has ${body.length} bytes, over ${mostBodyBytes}`, {
          details: { limit: mostBodyBytes, value: body.length },
        })
    const statement = {
      name: 'queue-send',
      text: `insert into queue_messages (queue_id, body, group_key, visible_at, enqueued_at)
        select $1, body, group_key, now() + make_interval(secs => delay), now()
        from unnest($2::jsonb[], $3::text[], $4::float8[]) with ordinality as given (body, group_key, delay, place)
        order by place returning id`,
      values: [
        id,
        bodies,
        messages.map(({ group }) => group ?? null),
        messages.map(({ delaySeconds = 0 }) => delaySeconds),
      ],
    }
    const { rows } = await step('queue.send', id, () => this.#deps.db.pool.query<{ id: string }>(statement))
    this.onSent()
    return rows.map((row) => String(row.id))
  }

  /** The next messages, hidden from others for so long. What was received too often goes to the dead letters first. */
  async receive(
    queue: Queue,
    { most, hideSeconds = queue.visibilitySeconds }: { most: number; hideSeconds?: number },
  ): Promise<Message[]> {
    const { id, accountId, maxReceives, deadLetterQueue } = queue
    await step('queue.dead_letters', id, () =>
      this.#deps.db.pool.query({
        name: 'queue-dead-letters',
        text: `with dead as (
            delete from queue_messages where queue_id = $1 and visible_at <= now() and receives >= $2 returning body, group_key, enqueued_at)
          insert into queue_messages (queue_id, body, group_key, visible_at, enqueued_at)
          select queues.id, body, group_key, now(), enqueued_at from dead, queues where account_id = $3 and name = $4`,
        values: [id, maxReceives, accountId, deadLetterQueue ?? null],
      }),
    )
    const statement = {
      name: 'queue-receive',
      text: `update queue_messages set receives = receives + 1, receipt = $3, visible_at = now() + make_interval(secs => $4)
        where id in (
          select id from queue_messages as message where queue_id = $1 and visible_at <= now() and (group_key is null or not exists (
            select from queue_messages as earlier where earlier.queue_id = $1 and earlier.group_key = message.group_key
              and earlier.id < message.id))
          order by id limit $2 for update skip locked)
        returning id, body, group_key, receives, receipt, enqueued_at`,
      values: [id, most, newId('m'), hideSeconds],
    }
    const { rows } = await step('queue.receive', id, () => this.#deps.db.pool.query<MessageRow>(statement))
    return rows.toSorted((a, b) => Number(a.id) - Number(b.id)).map(toMessage)
  }

  /** Messages that were dealt with. Answers how many were still held by these receipts. */
  async delete({ id }: Queue, messages: readonly Pick<Message, 'id' | 'receipt'>[]): Promise<number> {
    const { rowCount } = await step('queue.delete', id, () =>
      this.#deps.db.pool.query({
        name: 'queue-delete',
        text: `delete from queue_messages using unnest($2::bigint[], $3::text[]) as done (id, receipt)
          where queue_id = $1 and queue_messages.id = done.id and queue_messages.receipt = done.receipt`,
        values: [id, messages.map((message) => message.id), messages.map(({ receipt }) => receipt)],
      }),
    )
    return rowCount ?? 0
  }
}

function toQueue(row: Selectable<QueuesTable>): Queue {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    visibilitySeconds: row.visibility_seconds,
    maxReceives: row.max_receives,
    deadLetterQueue: row.dead_letter_queue ?? undefined,
    functionId: row.function_id ?? undefined,
    batch: row.batch,
    createdAt: row.created_at,
  }
}

function toMessage(row: MessageRow): Message {
  const { body, receives, receipt } = row
  return { id: String(row.id), body, group: row.group_key ?? undefined, receives, receipt, enqueuedAt: row.enqueued_at }
}
