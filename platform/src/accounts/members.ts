import type { Transaction } from 'kysely'
import { WarrenError } from '../errors.ts'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Tables } from '../storage/tables.ts'
import type { Principal } from './principal.ts'
import { authorizeGrant, type Role } from './roles.ts'

export interface Member {
  userId: string
  email: string
  name: string
  role: Role
  since: Date
}

interface Change {
  principal: Principal
  accountId: string
  userId: string
}

/** Who belongs to which organisation: the one writer of the table. */
export class Members {
  readonly #db: Database
  readonly #now: () => Date
  readonly #tookAway: () => void

  constructor({ db, now, tookAway = () => {} }: { db: Database; now: () => Date; tookAway?: () => void }) {
    this.#db = db
    this.#now = now
    this.#tookAway = tookAway
  }

  /** Those who joined first come first. */
  async list(accountId: string): Promise<Member[]> {
    const rows = await this.#db.kysely
      .selectFrom('memberships')
      .innerJoin('users', 'users.id', 'memberships.user_id')
      .select(['users.id', 'users.email', 'users.name', 'memberships.role', 'memberships.created_at'])
      .where('memberships.account_id', '=', accountId)
      .orderBy('memberships.created_at')
      .execute()
    return rows.map(({ id, email, name, role, created_at }) => ({ userId: id, email, name, role, since: created_at }))
  }

  /** Of one person, the oldest first. */
  async of(userId: string): Promise<{ accountId: string; role: Role }[]> {
    const query = this.#db.kysely.selectFrom('memberships').select(['account_id', 'role']).where('user_id', '=', userId)
    return (await query.orderBy('created_at').execute()).map(({ account_id, role }) => ({
      accountId: account_id,
      role,
    }))
  }

  /** Who is a member already stays what they are. Call it in the transaction that says why. */
  async add(
    tx: Transaction<Tables>,
    { accountId, userId, role }: { accountId: string; userId: string; role: Role },
  ): Promise<void> {
    const row = { account_id: accountId, user_id: userId, role, created_at: this.#now() }
    const once = tx.insertInto('memberships').values(row)
    const added = await once
      .onConflict((conflict) => conflict.columns(['account_id', 'user_id']).doNothing())
      .returning('role')
      .executeTakeFirst()
    if (added) await appendEvent(tx, { type: 'member.added', accountId, subject: userId, data: { role } })
  }

  /** Nobody gives a role that is beyond their own, or takes one away. Throws `conflict` for the last owner. */
  async setRole(change: Change, role: Role): Promise<void> {
    authorizeGrant(change.principal, { role, scopes: undefined })
    await this.#change('member.set_role', change, role, async (tx, before) => {
      const { accountId, userId } = change
      await tx
        .updateTable('memberships')
        .set({ role })
        .where('account_id', '=', accountId)
        .where('user_id', '=', userId)
        .execute()
      if (before === role) return
      await appendEvent(tx, { type: 'member.changed', accountId, subject: userId, data: { role, before } })
    })
  }

  /** The person stays, and so do the keys that they made: those belong to the organisation. */
  async remove(change: Change): Promise<void> {
    await this.#change('member.remove', change, undefined, async (tx, role) => {
      const { accountId, userId } = change
      await tx.deleteFrom('memberships').where('account_id', '=', accountId).where('user_id', '=', userId).execute()
      await appendEvent(tx, { type: 'member.removed', accountId, subject: userId, data: { role } })
    })
  }

  async #change(
    name: string,
    { principal, accountId, userId }: Change,
    role: Role | undefined,
    work: (tx: Transaction<Tables>, role: Role) => Promise<void>,
  ): Promise<void> {
    const change = this.#db.transaction.bind(this.#db)
    await step(name, userId, () =>
      change(async (tx) => {
        // One after the other, or two owners could remove each other.
        const all = await tx
          .selectFrom('memberships')
          .select(['user_id', 'role'])
          .where('account_id', '=', accountId)
          .orderBy('user_id')
          .forUpdate()
          .execute()
        const member = all.find((one) => one.user_id === userId)
        if (!member) throw new WarrenError('not_found', `there is no member "${userId.slice(0, 64)}"`)
        authorizeGrant(principal, { role: member.role, scopes: undefined })
        const owners = all.filter((one) => one.role === 'owner').length
        if (member.role === 'owner' && owners === 1 && role !== 'owner' && principal.kind !== 'admin')
          throw new WarrenError('conflict', 'an organisation keeps an owner; make somebody else one first')
        await work(tx, member.role)
      }),
    )
    this.#tookAway()
  }
}
