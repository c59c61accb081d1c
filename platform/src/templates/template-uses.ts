import { sql, type Transaction } from 'kysely'
import { consume } from '../events/consume.ts'
import type { RecordedEvent } from '../events/outbox.ts'
import type { Database } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'

/** Sandboxes that an organisation has started from a template. */
export interface TemplateUse {
  count: number
  lastAt: Date
}

/** How often templates are used. Counted out of the events when somebody asks, so that a create pays nothing for it. */
export class TemplateUses {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** By the template's name. */
  async of(accountId: string): Promise<Map<string, TemplateUse>> {
    await this.catchUp()
    const rows = await this.#db.kysely
      .selectFrom('template_uses')
      .select(['template', 'count', 'last_at'])
      .where('account_id', '=', accountId)
      .execute()
    return new Map(rows.map((row) => [row.template, { count: Number(row.count), lastAt: row.last_at }]))
  }

  /** Events wait for who has not read them: to be called now and then, also when nobody asks. */
  async catchUp(): Promise<void> {
    while ((await consume(this.#db, { consumer: 'template-uses' }, count)) > 0);
  }

  /** A template that is deleted leaves nothing to another of its name. To be called when what was started is counted. */
  async forget(tx: Transaction<Tables>, accountId: string, template: string): Promise<void> {
    const removal = tx.deleteFrom('template_uses').where('account_id', '=', accountId)
    await removal.where('template', '=', template).execute()
  }
}

async function count(tx: Transaction<Tables>, events: RecordedEvent[]): Promise<void> {
  const uses = new Map<string, { account_id: string; template: string; count: number; last_at: Date }>()
  for (const event of events) {
    if (event.type !== 'sandbox.created') continue
    const { accountId, at, data } = event
    const key = JSON.stringify([accountId, data.template])
    const use = uses.get(key) ?? { account_id: accountId, template: data.template, count: 0, last_at: at }
    uses.set(key, { ...use, count: use.count + 1, last_at: at > use.last_at ? at : use.last_at })
  }
  if (uses.size === 0) return
  await tx
    .insertInto('template_uses')
    .values([...uses.values()])
    .onConflict((conflict) =>
      conflict.columns(['account_id', 'template']).doUpdateSet({
        count: sql`template_uses.count + excluded.count`,
        last_at: sql`greatest(template_uses.last_at, excluded.last_at)`,
      }),
    )
    .execute()
}
