import type { Selectable } from 'kysely'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import type { UsersTable } from '../storage/tables.ts'
import { emailOf, type User } from './user.ts'

export type UserRow = Selectable<UsersTable>

/** People: the one writer of their table but for the second factor, which has its own columns. */
export class Users {
  readonly #db: Database
  readonly #now: () => Date

  constructor({ db, now }: { db: Database; now: () => Date }) {
    this.#db = db
    this.#now = now
  }

  /** Call it in the transaction that says why there is a new person. */
  async create(
    tx: Queries,
    { email, name, password }: { email: string; name: string; password: string | null },
  ): Promise<UserRow> {
    const row = { id: newId('u'), email: emailOf(email), name, password, totp_secret: null, totp_since: null }
    const insertion = tx.insertInto('users').values({ ...row, created_at: this.#now() })
    return insertion.returningAll().executeTakeFirstOrThrow()
  }

  /** Throws `not_found` for who is not there. */
  async get(id: string): Promise<UserRow> {
    const row = await this.#db.kysely.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
    if (row) return row
    throw new WarrenError('not_found', `there is no user "${id.slice(0, 64)}"`)
  }

  findByEmail(email: string, queries: Queries = this.#db.kysely): Promise<UserRow | undefined> {
    return queries.selectFrom('users').selectAll().where('email', '=', emailOf(email)).executeTakeFirst()
  }

  async setPassword(id: string, password: string): Promise<void> {
    const update = this.#db.kysely.updateTable('users').set({ password }).where('id', '=', id)
    await step('user.set_password', id, () => update.execute())
  }
}

export function userOf(row: UserRow): User {
  const { id, email, name, password, totp_since, created_at } = row
  const given = { hasPassword: password !== null, hasSecondFactor: totp_since !== null }
  return { id, email, name, ...given, createdAt: created_at }
}
