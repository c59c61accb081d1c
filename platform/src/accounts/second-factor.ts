import { createHash, randomBytes } from 'node:crypto'
import { WarrenError } from '../errors.ts'
import type { Seal } from '../lib/seal.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import { base32, newTotpSecret, stepOf, totpUri } from './totp.ts'
import type { UserRow } from './users.ts'

const recoveryCodes = 10

interface Deps {
  db: Database
  now: () => Date
  seal: Seal
}

/** The second factor of people: the one writer of those columns and of `recovery_codes`. */
export class SecondFactor {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** A new secret, which counts once a code of it was shown. Throws `conflict` where there is one that counts. */
  async prepare({ id, email, totp_since }: UserRow): Promise<{ secret: string; uri: string }> {
    if (totp_since) throw new WarrenError('conflict', 'there is a second factor already; remove it first')
    const secret = newTotpSecret()
    const sealed = this.#deps.seal.close(secret, sealedFor(id))
    const update = this.#deps.db.kysely.updateTable('users').set({ totp_secret: sealed }).where('id', '=', id)
    await step('second_factor.prepare', id, () => update.where('totp_since', 'is', null).execute())
    return { secret, uri: totpUri(secret, email) }
  }

  /** From now on it is asked for. Answers with codes for the day on which it is lost; they are told this once. */
  async confirm(user: UserRow, code: string): Promise<string[]> {
    const { db, now } = this.#deps
    if (user.totp_since) throw new WarrenError('conflict', 'the second factor counts already')
    const at = this.#stepOf(user, code)
    if (at === undefined) throw wrongCode()
    const codes = Array.from({ length: recoveryCodes }, () => base32(randomBytes(10)))
    await step('second_factor.confirm', user.id, () =>
      db.transaction(async (tx) => {
        await tx.deleteFrom('recovery_codes').where('user_id', '=', user.id).execute()
        const rows = codes.map((one) => ({ user_id: user.id, hash: hashOf(one), used_at: null }))
        await tx.insertInto('recovery_codes').values(rows).execute()
        const count = { totp_since: now(), totp_step: at }
        await tx.updateTable('users').set(count).where('id', '=', user.id).execute()
      }),
    )
    return codes
  }

  /** Uses a code up: one of the authenticator, or one of those for the day on which it is lost. Throws `unauthenticated`. */
  async check(user: UserRow, code: string): Promise<void> {
    const { db, now } = this.#deps
    const at = this.#stepOf(user, code)
    if (at !== undefined) {
      const update = db.kysely.updateTable('users').set({ totp_step: at }).where('id', '=', user.id)
      const later = update.where('totp_step', '<', at).returning('id')
      if (await step('second_factor.check', user.id, () => later.executeTakeFirst())) return
      throw wrongCode()
    }
    const spend = db.kysely
      .updateTable('recovery_codes')
      .set({ used_at: now() })
      .where('user_id', '=', user.id)
      .where('hash', '=', hashOf(code.replaceAll(/[\s-]/g, '').toUpperCase()))
      .where('used_at', 'is', null)
      .returning('hash')
    if (!(await step('second_factor.recover', user.id, () => spend.executeTakeFirst()))) throw wrongCode()
  }

  async remove(userId: string): Promise<void> {
    const none = { totp_secret: null, totp_since: null }
    const update = this.#deps.db.kysely.updateTable('users').set(none).where('id', '=', userId)
    await step('second_factor.remove', userId, () => update.execute())
  }

  #stepOf({ id, totp_secret }: UserRow, code: string): number | undefined {
    if (!totp_secret || !/^\d{6}$/.test(code)) return undefined
    return stepOf(this.#deps.seal.open(totp_secret, sealedFor(id)), code, this.#deps.now())
  }
}

function sealedFor(userId: string): string {
  return `totp/${userId}`
}

function wrongCode(): WarrenError {
  return new WarrenError('unauthenticated', 'the code of the second factor is wrong, or was used before', {
    details: { secondFactor: 'totp' },
  })
}

/** They are random, 80 bits: a plain hash cannot be guessed back. */
function hashOf(code: string): string {
  return createHash('sha256').update(code).digest('hex')
}
