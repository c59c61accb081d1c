import { createHash, randomBytes } from 'node:crypto'
import { WarrenError } from '../errors.ts'
import { FreshCache } from '../lib/fresh-cache.ts'
import { newId } from '../lib/id.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { freshMs, patienceMs } from './fresh.ts'
import type { Role } from './roles.ts'
import type { Signer } from './signer.ts'
import type { Client } from './user.ts'

/** How long an access token is good, and a session with all its refreshes, milliseconds. */
const accessMs = 10 * 60_000
const sessionMs = 30 * 86_400_000
const refreshPrefix = 'wrr_'

export interface Session {
  id: string
  method: 'password' | 'oidc'
  address: string
  agent: string
  createdAt: Date
  lastUsedAt: Date
  expiresAt: Date
}

/** What a client gets when it signs in and at each refresh. */
export interface Tokens {
  accessToken: string
  expiresAt: Date
  refreshToken: string
  userId: string
  sessionId: string
}

interface Known {
  userId: string
  sessionId: string
  expiresAt: Date
  memberships: { accountId: string; role: Role }[]
}

interface Deps {
  db: Database
  now: () => Date
  signer: Signer
  /** Called when sessions were ended. */
  tookAway?: () => void
}

/** Who is signed in: the one writer of `sessions` and `refresh_tokens`. */
export class Sessions {
  readonly #deps: Deps
  readonly #remembered = new FreshCache<Known>({ freshMs, patienceMs, most: 10_000 })

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async begin(userId: string, method: Session['method'], { address, agent }: Client): Promise<Tokens> {
    const { db, now } = this.#deps
    const at = now()
    const row = { id: newId('s'), user_id: userId, method, address, agent: agent.slice(0, 200), created_at: at }
    const expires = new Date(at.getTime() + sessionMs)
    const refreshToken = newRefreshToken()
    await step('session.begin', row.id, () =>
      db.transaction(async (tx) => {
        const lasting = { last_used_at: at, expires_at: expires, ended_at: null, end_reason: null }
        await tx
          .insertInto('sessions')
          .values({ ...row, ...lasting })
          .execute()
        await tx
          .insertInto('refresh_tokens')
          .values(tokenRow(refreshToken, row.id, at))
          .execute()
      }),
    )
    return this.#tokens({ userId, sessionId: row.id, refreshToken })
  }

  /**
   * New tokens for a refresh token, which is used up by it. One that comes a second time was stolen, or its thief's comes
   * first: the session ends for both.
   */
  async refresh(shown: string): Promise<Tokens> {
    const { db, now } = this.#deps
    const at = now()
    const hash = hashOf(shown)
    const refreshToken = newRefreshToken()
    const renewed = await step('session.refresh', hash.slice(0, 12), () =>
      db.transaction(async (tx) => {
        const used = await tx
          .updateTable('refresh_tokens')
          .set({ used_at: at })
          .where('hash', '=', hash)
          .where('used_at', 'is', null)
          .returning('session_id')
          .executeTakeFirst()
        if (!used) return undefined
        const session = await tx
          .updateTable('sessions')
          .set({ last_used_at: at })
          .where('id', '=', used.session_id)
          .where('ended_at', 'is', null)
          .where('expires_at', '>', at)
          .returning(['id', 'user_id'])
          .executeTakeFirst()
        if (!session) throw over()
        await tx
          .insertInto('refresh_tokens')
          .values(tokenRow(refreshToken, session.id, at))
          .execute()
        return session
      }),
    )
    if (renewed) return this.#tokens({ userId: renewed.user_id, sessionId: renewed.id, refreshToken })

    const known = db.kysely.selectFrom('refresh_tokens').select('session_id').where('hash', '=', hash)
    const again = await known.executeTakeFirst()
    if (!again) throw new WarrenError('unauthenticated', 'the refresh token is not known')
    await this.#end([again.session_id], 'a refresh token came twice')
    throw new WarrenError('unauthenticated', 'the refresh token was used before: its session was ended', {
      hint: 'Sign in again. If you did not refresh twice yourself, somebody else has had the token.',
    })
  }

  /** Whose access token it is, as of a second ago at most. Throws `unauthenticated` for one that is not good any more. */
  async find(accessToken: string): Promise<Known> {
    const known = await this.#remembered.get(accessToken, async () => {
      const { id, subject, expiresAt } = await this.#deps.signer.verify('warren:session', accessToken)
      const rows = await this.#deps.db.kysely
        .selectFrom('sessions')
        .leftJoin('memberships', 'memberships.user_id', 'sessions.user_id')
        .select(['memberships.account_id', 'memberships.role'])
        .where('sessions.id', '=', id)
        .where('sessions.user_id', '=', subject)
        .where('sessions.ended_at', 'is', null)
        .orderBy('memberships.created_at')
        .execute()
      if (rows.length === 0) return undefined
      const memberships = rows.flatMap(({ account_id, role }) => (role ? [{ accountId: account_id!, role }] : []))
      return { userId: subject, sessionId: id, expiresAt, memberships }
    })
    if (!known || known.expiresAt <= this.#deps.now()) throw over()
    return known
  }

  /** Those that go on, the last used first. */
  async list(userId: string): Promise<Session[]> {
    const rows = await this.#deps.db.kysely
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', userId)
      .where('ended_at', 'is', null)
      .where('expires_at', '>', this.#deps.now())
      .orderBy('last_used_at', 'desc')
      .execute()
    return rows.map((row) => ({
      id: row.id,
      method: row.method,
      address: row.address,
      agent: row.agent,
      createdAt: row.created_at,
      lastUsedAt: row.last_used_at,
      expiresAt: row.expires_at,
    }))
  }

  /** False where the person has no such session. */
  async end(userId: string, id: string, reason: string): Promise<boolean> {
    const mine = (await this.list(userId)).some((session) => session.id === id)
    if (mine) await this.#end([id], reason)
    return mine
  }

  /** All of a person, but for one. */
  async endAll(userId: string, reason: string, but?: string): Promise<void> {
    const ids = (await this.list(userId)).map(({ id }) => id).filter((id) => id !== but)
    if (ids.length > 0) await this.#end(ids, reason)
  }

  /** Deletes at most `most` that were over before that time. */
  async forget(before: Date, most: number): Promise<number> {
    const { kysely } = this.#deps.db
    const old = kysely.selectFrom('sessions').select('id').where('expires_at', '<', before).limit(most)
    const deletion = kysely.deleteFrom('sessions').where('id', 'in', old)
    return Number((await step('session.forget', 'oldest', () => deletion.executeTakeFirst())).numDeletedRows)
  }

  async #end(ids: string[], reason: string): Promise<void> {
    const ending = { ended_at: this.#deps.now(), end_reason: reason }
    const update = this.#deps.db.kysely.updateTable('sessions').set(ending).where('id', 'in', ids)
    await step('session.end', ids[0]!, () => update.execute())
    this.#remembered.clear()
    this.#deps.tookAway?.()
  }

  async #tokens({ userId, sessionId, refreshToken }: Pick<Tokens, 'userId' | 'sessionId' | 'refreshToken'>) {
    const expiresAt = new Date(this.#deps.now().getTime() + accessMs)
    const signed = { id: sessionId, subject: userId, expiresAt }
    const accessToken = await this.#deps.signer.sign('warren:session', signed)
    return { accessToken, expiresAt, refreshToken, userId, sessionId }
  }
}

function over(): WarrenError {
  return new WarrenError('unauthenticated', 'the session is over', { hint: 'Sign in again: warren login' })
}

function newRefreshToken(): string {
  return refreshPrefix + randomBytes(32).toString('base64url')
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function tokenRow(token: string, sessionId: string, at: Date) {
  return { hash: hashOf(token), session_id: sessionId, created_at: at, used_at: null }
}
