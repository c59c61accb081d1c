import type { Selectable } from 'kysely'
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
    const insertion = this.#db.kysely.insertInto('webhooks').values({
      ...{ id, account_id: accountId, url, events: JSON.stringify(events), state, created_at: createdAt },
      maker: maker ? JSON.stringify(maker) : null,
    })
    await step('webhook.create', id, () => insertion.execute())
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
    const removal = this.#db.kysely.deleteFrom('webhooks').where('account_id', '=', accountId).where('id', '=', id)
    const { numDeletedRows } = await step('webhook.delete', id, () => removal.executeTakeFirst())
    return numDeletedRows > 0n
  }

  /** The next version of its secret; the one before is valid until then. A webhook that was disabled is active again. */
  async rotate(accountId: string, id: string, previousUntil: Date): Promise<Webhook | undefined> {
    const update = this.#db.kysely
      .updateTable('webhooks')
      .set((is) => ({ secret_version: is('secret_version', '+', 1), previous_until: previousUntil, state: 'active' }))
      .where('account_id', '=', accountId)
      .where('id', '=', id)
      .returningAll()
    const row = await step('webhook.rotate', id, () => update.executeTakeFirst())
    return row && webhookOf(row)
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
