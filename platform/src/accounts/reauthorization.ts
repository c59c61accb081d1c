import { sql } from 'kysely'
import { WarrenError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import { freshMs } from './fresh.ts'
import type { Principal } from './principal.ts'
import { allows, type Permission, permissionsOf, type Role } from './roles.ts'

/** The right of a caller to what is open, such as a stream, for as long as it is. */
export interface Held {
  /** Aborts when it was taken away; the reason is the error to tell. */
  signal: AbortSignal
  /** What was open is over. */
  end(): void
}

interface Holder {
  principal: Principal
  controller: AbortController
}

interface Standing {
  role: Role
  scopes: readonly Permission[] | undefined
}

/**
 * Looks again at those who hold something open, as requests are looked at when they come: a key may be revoked or expire, a session
 * end, a member be removed or be given a smaller role. While nothing is open it asks nothing.
 */
export class Reauthorization {
  readonly #deps: { db: Pick<Database, 'kysely'>; now: () => Date }
  readonly #holders = new Set<Holder>()
  #timer: NodeJS.Timeout | undefined
  #isLooking = false
  #isAskedFor = false

  constructor(deps: { db: Pick<Database, 'kysely'>; now: () => Date }) {
    this.#deps = deps
  }

  /** Call `end` of what it answers with when it is over. */
  hold(principal: Principal): Held {
    const holder = { principal, controller: new AbortController() }
    this.#holders.add(holder)
    this.#later()
    const end = () => {
      this.#holders.delete(holder)
      if (this.#holders.size > 0) return
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    return { signal: holder.controller.signal, end }
  }

  /** Something was taken away in this process: looks at once, and not only when it is time. */
  now(): void {
    if (this.#holders.size === 0) return
    if (this.#isLooking) {
      this.#isAskedFor = true
      return
    }
    clearTimeout(this.#timer)
    this.#timer = undefined
    // Where the database does not answer nobody can take anything away either.
    this.#isLooking = true
    void this.#look()
      .catch(() => {})
      .finally(() => {
        this.#isLooking = false
        const again = this.#isAskedFor
        this.#isAskedFor = false
        if (again) this.now()
        else this.#later()
      })
  }

  #later(): void {
    if (this.#holders.size > 0 && !this.#isLooking) this.#timer ??= setTimeout(() => this.now(), freshMs).unref()
  }

  async #look(): Promise<void> {
    const holders = [...this.#holders]
    const keyIds = new Set<string>()
    const sessionIds = new Set<string>()
    for (const { principal } of holders) {
      if (principal.keyId !== undefined) keyIds.add(principal.keyId)
      if (principal.sessionId !== undefined) sessionIds.add(principal.sessionId)
    }
    const [keys, memberships] = await Promise.all([this.#keys([...keyIds]), this.#memberships([...sessionIds])])
    for (const holder of holders) {
      const { keyId, sessionId, accountId } = holder.principal
      if (!this.#holders.has(holder)) continue
      let fault: WarrenError | undefined
      if (keyId !== undefined) fault = faultOf(holder.principal, keys.get(keyId), 'the key was revoked or has expired')
      else if (sessionId !== undefined)
        fault = faultOf(
          holder.principal,
          memberships.get(`${sessionId} ${accountId}`),
          'the session is over, or its user is no member any more',
        )
      if (!fault) continue
      this.#holders.delete(holder)
      holder.controller.abort(fault)
    }
  }

  async #keys(ids: string[]): Promise<Map<string, Standing>> {
    if (ids.length === 0) return new Map()
    const rows = await this.#deps.db.kysely
      .selectFrom('keys')
      .leftJoin('service_accounts', 'service_accounts.id', 'keys.service_id')
      .select(['keys.id', 'keys.scopes', sql<Role>`coalesce(service_accounts.role, keys.role)`.as('role')])
      .where('keys.id', '=', sql<string>`any(${ids})`)
      .where((is) => is.or([is('keys.expires_at', 'is', null), is('keys.expires_at', '>', this.#deps.now())]))
      .execute()
    return new Map(
      rows.map(({ id, role, scopes }) => [id, { role, scopes: (scopes as Permission[] | null) ?? undefined }]),
    )
  }

  /** By session and organisation. The session counts and not the token, which is renewed while a stream goes on. */
  async #memberships(ids: string[]): Promise<Map<string, Standing>> {
    if (ids.length === 0) return new Map()
    const rows = await this.#deps.db.kysely
      .selectFrom('sessions')
      .innerJoin('memberships', 'memberships.user_id', 'sessions.user_id')
      .select(['sessions.id', 'memberships.account_id', 'memberships.role'])
      .where('sessions.id', '=', sql<string>`any(${ids})`)
      .where('sessions.ended_at', 'is', null)
      .where('sessions.expires_at', '>', this.#deps.now())
      .execute()
    return new Map(rows.map(({ id, account_id, role }) => [`${id} ${account_id}`, { role, scopes: undefined }]))
  }
}

/** What `principal` was let in as must still hold; who may do more than then goes on. */
function faultOf(principal: Principal, now: Standing | undefined, gone: string): WarrenError | undefined {
  if (!now) return new WarrenError('unauthenticated', `${gone}: what was open with it ends`)
  if (now.role === principal.role) return undefined
  const lost = permissionsOf(principal).filter((permission) => !allows(now, permission))
  if (lost.length === 0) return undefined
  return new WarrenError('forbidden', `the role is ${now.role} now: what was open as ${principal.role} ends`, {
    hint: 'Open it again.',
    details: { role: now.role },
  })
}
