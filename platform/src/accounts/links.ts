import type { Selectable } from 'kysely'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database, Queries } from '../storage/database.ts'
import type { LinksTable } from '../storage/tables.ts'
import type { Principal } from './principal.ts'
import type { Role } from './roles.ts'
import type { Signer } from './signer.ts'
import { emailOf } from './user.ts'

/** What a person is sent, to be used once. */
export interface Link {
  id: string
  email: string
  /** Of an invitation. */
  role: Role | undefined
  createdBy: string
  createdAt: Date
  expiresAt: Date
}

/** What a link was worth when it was used. */
export type UsedLink = { email: string } & (
  | { kind: 'invitation'; accountId: string; role: Role }
  | { kind: 'password' }
)

interface Deps {
  db: Database
  now: () => Date
  signer: Signer
}

interface NewLink {
  email: string
  principal: Principal
  hours: number
  invitation?: { accountId: string; role: Role }
}

/** Links: signed, good for a while, once. The one writer of the table. */
export class Links {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** `token` is what is handed to the person, this once. */
  async create({ email, principal, hours, invitation }: NewLink): Promise<{ link: Link; token: string }> {
    const { db, now, signer } = this.#deps
    const row = {
      id: newId('l'),
      kind: invitation ? ('invitation' as const) : ('password' as const),
      email: emailOf(email),
      account_id: invitation?.accountId ?? null,
      role: invitation?.role ?? null,
      created_by: principal.id,
      created_at: now(),
      expires_at: new Date(now().getTime() + hours * 3_600_000),
      used_at: null,
    }
    const insertion = db.kysely.insertInto('links').values(row)
    await step('link.create', row.id, () => insertion.execute())
    const token = await signer.sign('warren:link', { id: row.id, subject: row.email, expiresAt: row.expires_at })
    return { link: linkOf(row), token }
  }

  /** Invitations that nobody has taken yet and that are still good, the newest first. */
  async open(accountId: string): Promise<Link[]> {
    const rows = await this.#deps.db.kysely
      .selectFrom('links')
      .selectAll()
      .where('account_id', '=', accountId)
      .where('used_at', 'is', null)
      .where('expires_at', '>', this.#deps.now())
      .orderBy('created_at', 'desc')
      .execute()
    return rows.map(linkOf)
  }

  /** False where the organisation has no such invitation that is open. */
  async withdraw(accountId: string, id: string): Promise<boolean> {
    const { db } = this.#deps
    const deletion = db.kysely.deleteFrom('links').where('id', '=', id).where('account_id', '=', accountId)
    const unused = deletion.where('used_at', 'is', null).returning('id')
    return (await step('link.withdraw', id, () => unused.execute())).length > 0
  }

  /** What the token is worth, without using it. Throws `unauthenticated` for one that is not good. */
  async read(token: string): Promise<UsedLink & { id: string }> {
    const { id } = await this.#deps.signer.verify('warren:link', token)
    const row = await this.#deps.db.kysely.selectFrom('links').selectAll().where('id', '=', id).executeTakeFirst()
    if (!row) throw new WarrenError('unauthenticated', 'the link was withdrawn')
    if (row.used_at) throw usedBefore()
    return { id, ...worthOf(row) }
  }

  /** Uses it up. Call it in the transaction that does what it is good for: of two at once, one throws. */
  async use(tx: Queries, id: string): Promise<void> {
    const update = tx.updateTable('links').set({ used_at: this.#deps.now() }).where('id', '=', id)
    const used = await update.where('used_at', 'is', null).returning('id').executeTakeFirst()
    if (!used) throw usedBefore()
  }
}

function usedBefore(): WarrenError {
  return new WarrenError('unauthenticated', 'the link was used before; each is good once')
}

function worthOf({ kind, email, account_id, role }: Selectable<LinksTable>): UsedLink {
  return kind === 'invitation' ? { kind, email, accountId: account_id!, role: role! } : { kind, email }
}

function linkOf(row: Omit<Selectable<LinksTable>, 'kind'>): Link {
  const { id, email, role, created_by, created_at, expires_at } = row
  return { id, email, role: role ?? undefined, createdBy: created_by, createdAt: created_at, expiresAt: expires_at }
}
