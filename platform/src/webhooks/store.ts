import type { Selectable } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { WebhooksTable } from '../storage/tables.ts'
import type { Webhook } from './webhook.ts'

/** The records of webhooks. */
export class WebhookStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  async insert(webhook: Webhook): Promise<void> {
    const { id, accountId, url, events, state, maker, createdAt } = webhook
    const row = {
      ...{ id, account_id: accountId, url, events: JSON.stringify(events), state, created_at: createdAt },
      maker: maker ? JSON.stringify(maker) : null,
    }
    await step('webhook.create', id, () =>
      this.#db.transaction(async (tx) => {
        await tx.insertInto('webhooks').values(row).execute()
        await appendEvent(tx, { type: 'webhook.created', accountId, subject: id, data: { events: [...events] } })
      }),
    )
  }

  /** Oldest first. */
  async list(accountId: string): Promise<Webhook[]> {
    const rows = await this.#of(accountId).orderBy('created_at').orderBy('id').execute()
    return rows.map(webhookOf)
  }

  async find(accountId: string, id: string): Promise<Webhook | undefined> {
    const row = await this.#of(accountId).where('id', '=', id).executeTakeFirst()
    return row && webhookOf(row)
  }

  /** With its deliveries. False when there is none. */
  async remove(accountId: string, id: string): Promise<boolean> {
    return step('webhook.delete', id, () =>
      this.#db.transaction(async (tx) => {
        const removal = tx.deleteFrom('webhooks').where('account_id', '=', accountId).where('id', '=', id)
        const { numDeletedRows } = await removal.executeTakeFirst()
        if (numDeletedRows === 0n) return false
        await appendEvent(tx, { type: 'webhook.deleted', accountId, subject: id, data: {} })
        return true
      }),
    )
  }

  /** The next version of its secret; the one before is valid until then. A webhook that was disabled is active again. */
  async rotate(accountId: string, id: string, previousUntil: Date): Promise<Webhook | undefined> {
    return step('webhook.rotate', id, () =>
      this.#db.transaction(async (tx) => {
        const row = await tx
          .updateTable('webhooks')
          .set((is) => ({
            secret_version: is('secret_version', '+', 1),
            previous_until: previousUntil,
            state: 'active',
          }))
          .where('account_id', '=', accountId)
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst()
        if (!row) return undefined
        const data = { version: row.secret_version }
        await appendEvent(tx, { type: 'webhook.rotated', accountId, subject: id, data })
        return webhookOf(row)
      }),
    )
  }

  #of(accountId: string) {
    return this.#db.kysely.selectFrom('webhooks').selectAll().where('account_id', '=', accountId)
  }
}

export function webhookOf(row: Selectable<WebhooksTable>): Webhook {
  return {
    id: row.id,
    accountId: row.account_id,
    url: row.url,
    events: row.events,
    state: row.state,
    secretVersion: row.secret_version,
    previousUntil: row.previous_until ?? undefined,
    maker: (row.maker as Webhook['maker'] | null) ?? undefined,
    createdAt: row.created_at,
  }
}
