import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { sql } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import { post } from '../ledger.ts'
import { bankOf } from './currencies.ts'
import type { BankDeps } from './sandbox-bank.ts'

export interface Card {
  id: string
  last4: string
  currency: string
  state: 'unconfirmed' | 'bound' | 'refused'
}

interface Row extends Card {
  owner: string
  code_hash: string
  tries: number
  expires_at: Date
}

const codeMs = 5 * 60_000
const mostTries = 5
/** What a customer of the bank has, in smallest units: it is no money. */
const play = 100_000_000n

/** Begins to bind a card. A bank would send the code to its owner's phone; this one answers it, for it only plays. */
export async function bindCard(
  { db, now }: BankDeps,
  owner: string,
  { number, currency }: { number: string; currency: string },
): Promise<{ card: Card; code: string }> {
  bankOf(currency)
  if (!/^\d{12,19}$/.test(number) || !luhn(number))
    throw new WarrenError('invalid_request', 'that is no number of a card', { hint: 'Try 4242424242424242.' })
  const card: Card = { id: newId('card'), last4: number.slice(-4), currency, state: 'unconfirmed' }
  const code = String(randomInt(1_000_000)).padStart(6, '0')
  const [at, until] = [now(), new Date(now().getTime() + codeMs)]
  await step('bank.bind_card', card.id, () =>
    sql`insert into bank_cards (id, owner, last4, currency, state, code_hash, created_at, expires_at) values (${card.id}, ${owner},
      ${card.last4}, ${currency}, 'unconfirmed', ${hash(card.id, code)}, ${at.toISOString()}, ${until.toISOString()})`.execute(
      db.kysely,
    ),
  )
  return { card, code }
}

/** With the code it is bound. After five wrong ones it is refused for good. */
export async function confirmCard(
  { db, now }: BankDeps,
  owner: string,
  { id, code }: { id: string; code: string },
): Promise<Card> {
  const outcome = await step('bank.confirm_card', id, () =>
    db.transaction(async (tx) => {
      const { rows } =
        await sql<Row>`select * from bank_cards where id = ${id} and owner = ${owner} for update`.execute(tx)
      const card = rows[0]
      if (!card) throw new WarrenError('not_found', `there is no card "${id.slice(0, 64)}"`)
      if (card.state === 'bound') return cardOf(card)
      if (card.state === 'refused' || card.expires_at < now())
        throw new WarrenError('conflict', 'the code does not hold any more', { hint: 'Bind the card again.' })
      if (!timingSafeEqual(Buffer.from(hash(id, code)), Buffer.from(card.code_hash))) {
        const state = card.tries + 1 >= mostTries ? 'refused' : 'unconfirmed'
        await sql`update bank_cards set tries = tries + 1, state = ${state} where id = ${id}`.execute(tx)
        return undefined
      }
      await sql`update bank_cards set state = 'bound' where id = ${id}`.execute(tx)
      const { currency } = card
      const entries = [
        { account: `bank:central:${bankOf(currency)}`, currency, minor: play },
        { account: `bank:customer:${owner}`, currency, minor: -play },
      ]
      await post(tx, { key: `bank:fund:${id}`, at: now(), entries })
      return cardOf({ ...card, state: 'bound' })
    }),
  )
  if (outcome) return outcome
  throw new WarrenError('forbidden', 'that is not the code of this card')
}

export async function listCards({ db }: BankDeps, owner: string): Promise<Card[]> {
  const { rows } = await sql<Row>`select * from bank_cards where owner = ${owner} order by created_at desc, id`.execute(
    db.kysely,
  )
  return rows.map(cardOf)
}

/** One that can be paid with. */
export async function boundCard({ db }: BankDeps, owner: string, id: string | undefined): Promise<Card> {
  const { rows } = await sql<Row>`select * from bank_cards
    where owner = ${owner} and id = ${id ?? ''} and state = 'bound'`.execute(db.kysely)
  if (rows[0]) return cardOf(rows[0])
  throw new WarrenError('invalid_request', 'say as method which card is to be charged: one that is bound', {
    hint: 'Bind one: warren billing card NUMBER',
  })
}

function cardOf({ id, last4, currency, state }: Card): Card {
  return { id, last4, currency, state }
}

function hash(id: string, code: string): string {
  return createHash('sha256').update(`${id} ${code}`).digest('hex')
}

function luhn(number: string): boolean {
  const sum = [...number].reverse().reduce((all, digit, index) => {
    const value = Number(digit) * (index % 2 ? 2 : 1)
    return all + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}
