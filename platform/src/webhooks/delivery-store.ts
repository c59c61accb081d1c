import { sql, type Transaction } from 'kysely'
import { appendEvent, eventId, type RecordedEvent } from '../events/outbox.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import { giveUpAfterMs } from './next-attempt.ts'
import type { Sent } from './send.ts'
import { webhookOf } from './store.ts'
import { type DeliveryView, type Heard, nounOf, type ReplayWebhook, type Webhook, wants } from './webhook.ts'

export interface Due {
  id: string
  webhook: Webhook
  type: string
  body: string
  attempts: number
  /** Those of them since it began, or began anew. */
  tries: number
  until: Date
}

interface NewDelivery {
  id: string
  webhookId: string
  eventId: string
  type: string
  subject: string
  body: string
}

const shownAttempts = 20

/** What is to be told to whom, and what became of it. */
export class DeliveryStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** A delivery for each webhook that wants each event and is not what it is about, in the transaction of the consumer. */
  async fanOut(tx: Transaction<Tables>, events: readonly RecordedEvent[], heard: Heard): Promise<void> {
    const accounts = [...new Set(events.map(({ accountId }) => accountId))]
    if (accounts.length === 0) return
    const of = tx.selectFrom('webhooks').selectAll().where('account_id', 'in', accounts).where('state', '=', 'active')
    const webhooks = (await of.execute()).map(webhookOf)
    const deliveries: NewDelivery[] = []
    for (const webhook of webhooks) {
      const { id, accountId, events: patterns, createdAt } = webhook
      const wanted = events.filter(
        (event) =>
          accountId === event.accountId && event.subject !== id && createdAt <= event.at && wants(patterns, event.type),
      )
      if (wanted.length === 0) continue
      const nouns = await heard(tx, webhook)
      for (const event of wanted) if (nouns.includes(nounOf(event.type))) deliveries.push(deliveryOf(id, event))
    }
    await insert(tx, deliveries)
  }

  /** Something to tell one webhook alone. Answers its id. */
  async insertTest(webhook: Webhook, now: Date): Promise<string> {
    const id = newId('d')
    const type = 'webhook.test'
    const event = { id, type, timestamp: now.toISOString(), subject: webhook.id, data: { url: webhook.url } }
    const delivery = { id, webhookId: webhook.id, eventId: id, type, subject: webhook.id, body: JSON.stringify(event) }
    await step('webhook.test', webhook.id, () => this.#db.transaction((tx) => insert(tx, [delivery])))
    return id
  }

  /**
   * What is due, at most `each` of one webhook, so that a slow one holds no other, and nothing of those in `besides`. The first
   * of each organisation comes first, then the second of each, and so on.
   */
  async due({
    each,
    most,
    besides,
  }: {
    each: number
    most: number
    besides: { webhooks: readonly string[]; accounts: readonly string[] }
  }): Promise<{ id: string; webhookId: string; accountId: string }[]> {
    const { rows } = await sql<{ id: string; webhookId: string; accountId: string }>`
      select id, webhook_id as "webhookId", account_id as "accountId" from (
        select d.id, d.webhook_id, w.account_id, next_at, row_number() over (partition by d.webhook_id order by next_at) as place
        from webhook_deliveries d join webhooks w on w.id = d.webhook_id and w.state = 'active'
        where d.state = 'waiting' and next_at <= clock_timestamp()
          and (leased_until is null or leased_until < clock_timestamp())
          and d.webhook_id <> all(${besides.webhooks}::text[]) and w.account_id <> all(${besides.accounts}::text[])) due
      where place <= ${each}
      order by row_number() over (partition by account_id order by next_at), next_at limit ${most}`.execute(
      this.#db.kysely,
    )
    return rows
  }

  /** In how many milliseconds the next one is due that is not yet; undefined when there is none. */
  async nextDueMs(): Promise<number | undefined> {
    const { rows } = await this.#db.pool.query<{ ms: number | null }>({
      name: 'webhook-next-due',
      text: `select ceil(extract(epoch from min(next_at) - clock_timestamp()) * 1000)::float8 as ms
        from webhook_deliveries where state = 'waiting' and next_at > clock_timestamp()`,
    })
    return rows[0]?.ms ?? undefined
  }

  /** Takes one for `ms`; undefined when another process did, or it is not due any more. */
  async lease(id: string, ms: number): Promise<Due | undefined> {
    const { rows } = await step('webhook.lease', id, () =>
      this.#db.pool.query({
        name: 'webhook-lease',
        text: `update webhook_deliveries d set leased_until = clock_timestamp() + $2 * interval '1 millisecond'
          from webhooks w where d.id = $1 and w.id = d.webhook_id and w.state = 'active' and d.state = 'waiting'
            and next_at <= clock_timestamp() and (leased_until is null or leased_until < clock_timestamp())
          returning d.type, d.body, d.attempts, d.until, to_jsonb(w) as webhook,
            (select count(*)::integer from webhook_attempts a
              where a.delivery_id = d.id and a.at >= d.until - $3 * interval '1 millisecond') as tries`,
        values: [id, ms, giveUpAfterMs],
      }),
    )
    const row = rows[0]
    if (!row) return undefined
    const { webhook, type, body, attempts, tries, until } = row
    const dates = {
      created_at: new Date(webhook.created_at),
      previous_until: webhook.previous_until && new Date(webhook.previous_until),
    }
    return { id, webhook: webhookOf({ ...webhook, ...dates }), type, body, attempts, tries, until }
  }

  /** What became of an attempt. With `nextAt` it is tried again then, else that was the last: the next of its subject is due. */
  async finish(
    due: Due,
    sent: Sent,
    attempt: { at: Date; durationMs: number; nextAt: Date | undefined },
  ): Promise<void> {
    const { at, durationMs, nextAt } = attempt
    const state = sent.error === undefined ? 'delivered' : nextAt ? 'waiting' : 'dead'
    await step('webhook.attempt', due.id, () =>
      this.#db.transaction(async (tx) => {
        await lockWebhooks(tx, [due.webhook.id])
        const row = await tx
          .updateTable('webhook_deliveries')
          .set({
            state,
            attempts: due.attempts + 1,
            next_at: nextAt ?? null,
            leased_until: null,
            finished_at: state === 'waiting' ? null : new Date(),
          })
          .where('id', '=', due.id)
          .returning(['subject'])
          .executeTakeFirst()
        if (!row) return // deleted meanwhile
        await tx
          .insertInto('webhook_attempts')
          .values({
            delivery_id: due.id,
            number: due.attempts + 1,
            at,
            duration_ms: Math.round(durationMs),
            status: sent.status ?? null,
            error: sent.error ?? null,
          })
          .onConflict((conflict) => conflict.doNothing())
          .execute()
        if (sent.status === 410) await disable(tx, due.webhook)
        if (state !== 'waiting') await makeFirstDue(tx, due.webhook.id, [row.subject])
      }),
    )
  }

  /** Gives up what waits for these webhooks longer than it may. */
  async giveUp(webhookIds: readonly string[], now: Date): Promise<void> {
    await step('webhook.give_up', webhookIds[0]!, () =>
      this.#db.transaction(async (tx) => {
        await lockWebhooks(tx, webhookIds)
        const rows = await tx
          .updateTable('webhook_deliveries')
          .set({ state: 'dead', next_at: null, finished_at: now })
          .where('webhook_id', 'in', webhookIds)
          .where('state', '=', 'waiting')
          .where('until', '<', now)
          .where(sql<boolean>`(leased_until is null or leased_until < clock_timestamp())`)
          .returning(['webhook_id', 'subject'])
          .execute()
        for (const id of new Set(rows.map(({ webhook_id }) => webhook_id)))
          await makeFirstDue(
            tx,
            id,
            rows.filter(({ webhook_id }) => webhook_id === id).map(({ subject }) => subject),
          )
      }),
    )
  }

  /** Lets deliveries begin anew, in the order in which they were. Answers how many. */
  async replay(webhookId: string, { delivery, since }: ReplayWebhook): Promise<number> {
    const until = new Date(Date.now() + giveUpAfterMs)
    return step('webhook.replay', webhookId, () =>
      this.#db.transaction(async (tx) => {
        await lockWebhooks(tx, [webhookId])
        let update = tx
          .updateTable('webhook_deliveries')
          .set({ state: 'waiting', until, next_at: null, finished_at: null, leased_until: null })
          .where('webhook_id', '=', webhookId)
          .where('state', '<>', 'waiting')
        if (delivery !== undefined) update = update.where('id', '=', delivery)
        else if (since !== undefined) update = update.where('created_at', '>=', new Date(since))
        else update = update.where('state', '=', 'dead')
        const rows = await update.returning('subject').execute()
        const subjects = [...new Set(rows.map(({ subject }) => subject))]
        // What came after them waits for them again, but for what is being sent.
        if (subjects.length > 0)
          await tx
            .updateTable('webhook_deliveries')
            .set({ next_at: null })
            .where('webhook_id', '=', webhookId)
            .where('state', '=', 'waiting')
            .where('subject', 'in', subjects)
            .where(sql<boolean>`(leased_until is null or leased_until < clock_timestamp())`)
            .execute()
        await makeFirstDue(tx, webhookId, subjects)
        return rows.length
      }),
    )
  }

  /** Newest first. */
  async list(
    webhookId: string,
    given: { state?: string | undefined; before?: string | undefined; limit: number },
  ): Promise<DeliveryView[]> {
    let query = this.#db.kysely.selectFrom('webhook_deliveries').selectAll().where('webhook_id', '=', webhookId)
    if (given.state) query = query.where('state', '=', given.state as 'waiting')
    if (given.before)
      query = query.where('seq', '<', (is) =>
        is.selectFrom('webhook_deliveries').select('seq').where('id', '=', given.before!),
      )
    const rows = await query.orderBy('seq', 'desc').limit(given.limit).execute()
    const attempts = rows.length === 0 ? [] : await this.#attempts(rows.map(({ id }) => id))
    return rows.map((row) => ({
      id: row.id,
      event: row.event_id,
      type: row.type,
      subject: row.subject,
      state: row.state,
      createdAt: row.created_at.toISOString(),
      ...(row.next_at ? { nextAt: row.next_at.toISOString() } : {}),
      attempts: attempts
        .filter(({ delivery_id }) => delivery_id === row.id)
        .slice(-shownAttempts)
        .map(({ at, duration_ms, status, error }) => ({
          at: at.toISOString(),
          durationMs: duration_ms,
          ...(status === null ? {} : { status }),
          ...(error === null ? {} : { error }),
        })),
    }))
  }

  #attempts(ids: string[]) {
    return this.#db.kysely
      .selectFrom('webhook_attempts')
      .selectAll()
      .where('delivery_id', 'in', ids)
      .orderBy('number')
      .execute()
  }

  /** Deletes at most `most` that were delivered or given up before that time; answers how many. */
  async forget(before: Date, most: number): Promise<number> {
    const statement = {
      name: 'webhook-forget',
      text: `delete from webhook_deliveries where seq = any(array(
        select seq from webhook_deliveries where finished_at < $1 limit $2))`,
      values: [before, most],
    }
    const { rowCount } = await step('webhook.forget', 'finished', () => this.#db.pool.query(statement))
    return rowCount ?? 0
  }
}

function deliveryOf(webhookId: string, event: RecordedEvent): NewDelivery {
  const { type, subject, at, data, cursor } = event
  const id = eventId(cursor)
  const body = JSON.stringify({ id, type, timestamp: at.toISOString(), subject, data })
  return { id: newId('d'), webhookId, eventId: id, type, subject, body }
}

async function insert(tx: Transaction<Tables>, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return
  const ids = [...new Set(deliveries.map(({ webhookId }) => webhookId))]
  await lockWebhooks(tx, ids)
  const until = new Date(Date.now() + giveUpAfterMs)
  const rows = deliveries.map(({ id, webhookId, eventId, type, subject, body }) => ({
    ...{ id, webhook_id: webhookId, event_id: eventId, type, subject, body, state: 'waiting' as const, until },
  }))
  await tx.insertInto('webhook_deliveries').values(rows).execute()
  for (const id of ids)
    await makeFirstDue(tx, id, [
      ...new Set(deliveries.filter(({ webhookId }) => webhookId === id).map(({ subject }) => subject)),
    ])
}

/** Whoever adds and whoever finishes must not overlook each other, or one would wait for ever. */
async function lockWebhooks(tx: Transaction<Tables>, ids: readonly string[]): Promise<void> {
  await tx.selectFrom('webhooks').select('id').where('id', 'in', ids).orderBy('id').forUpdate().execute()
}

async function disable(tx: Transaction<Tables>, { id, accountId }: Webhook): Promise<void> {
  const update = tx.updateTable('webhooks').set({ state: 'disabled' }).where('id', '=', id)
  const { numUpdatedRows } = await update.where('state', '=', 'active').executeTakeFirst()
  if (numUpdatedRows === 0n) return
  await appendEvent(tx, { type: 'webhook.disabled', accountId, subject: id, data: {} })
}

/** The first that waits of each subject is due now, unless it has a time. */
async function makeFirstDue(tx: Transaction<Tables>, webhookId: string, subjects: readonly string[]): Promise<void> {
  if (subjects.length === 0) return
  await sql`update webhook_deliveries set next_at = clock_timestamp() where next_at is null and seq in (
    select min(seq) from webhook_deliveries where webhook_id = ${webhookId} and state = 'waiting'
      and subject = any(${subjects}::text[]) group by subject)`.execute(tx)
}
