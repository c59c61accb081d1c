import { createHmac, timingSafeEqual } from 'node:crypto'
import { sql } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import type { Answer, Notice, PaymentProvider } from '../payments/payment.ts'
import { endDay } from './day-end.ts'
import { exchange, openReserves } from './exchange.ts'
import { accept, authorise, capture, findOrder, type Order, payOut, untold } from './orders.ts'

export interface BankDeps {
  db: Database
  now: () => Date
  /** Signs what the bank tells. */
  secret: string
}

/** Older notices are not taken any more, milliseconds. */
const noticeMs = 300_000

/**
 * A bank that only plays one: its customers have money that is none. It does what a payment across borders does, at its
 * own pace: it answers a token, and the payment is captured, cleared, netted, settled, exchanged and paid out later.
 */
export function sandboxBank(deps: BankDeps): PaymentProvider {
  return {
    name: 'bank',
    async pay(payment) {
      const order = await authorise(deps, payment)
      await accept(deps, order.token)
      return answerOf(order)
    },
    async status({ reference }) {
      const order = await findOrder(deps.db.kysely, sql`id = ${reference}`)
      if (!order) throw new WarrenError('not_found', 'the bank knows no such order')
      return answerOf(order)
    },
    async read(body, signature) {
      checkSignature(deps, body, signature)
      const { minor, ...notice } = JSON.parse(body.toString('utf8')) as Omit<Notice, 'minor'> & { minor: string }
      return { ...notice, minor: BigInt(minor) }
    },
    async work(tell) {
      await capture(deps)
      await pushNotices(deps, tell)
      while ((await endDay(deps, startOfDay(deps.now()))).length > 0);
      const { rows } = await sql`select from bank_orders where state = 'settled' limit 1`.execute(deps.db.kysely)
      if (rows.length === 0) return
      await openReserves(deps)
      await exchange(deps)
      await payOut(deps)
    },
  }
}

/** Tells of every order whose end is known, until it was heard: after a crash it is told again. */
export async function pushNotices(
  deps: BankDeps,
  tell: (notice: { body: Buffer; signature: string }) => Promise<boolean>,
): Promise<void> {
  for (const order of await untold(deps.db.kysely)) {
    await tell(noticeOf(deps, order))
    await step('bank.told', order.id, () =>
      sql`update bank_orders set told = true where id = ${order.id}`.execute(deps.db.kysely),
    )
  }
}

export function noticeOf({ secret, now }: BankDeps, order: Order): { body: Buffer; signature: string } {
  const { id, request, payee } = order
  const notice = {
    ...answerOf(order),
    id: `order ${id}`,
    payment: request,
    minor: String(payee),
  }
  const body = Buffer.from(JSON.stringify(notice))
  const at = String(now().getTime())
  return { body, signature: `t=${at},v1=${signatureOf(secret, at, body)}` }
}

function answerOf({ id, state, payeeCurrency: currency, payee: minor }: Order): Answer {
  const about = { reference: id, currency, minor }
  if (state === 'declined') return { ...about, state: 'failed', reason: 'the account of the card does not hold enough' }
  return { ...about, state: state === 'authorised' || state === 'accepted' ? 'pending' : 'succeeded' }
}

function checkSignature({ secret, now }: BankDeps, body: Buffer, signature = ''): void {
  const [, at = '', given = ''] = /^t=(\d{1,15}),v1=([0-9a-f]{64})$/.exec(signature) ?? []
  const holds = given !== '' && timingSafeEqual(Buffer.from(given), Buffer.from(signatureOf(secret, at, body)))
  if (!holds || Math.abs(now().getTime() - Number(at)) > noticeMs)
    throw new WarrenError('forbidden', 'the signature of this notice does not hold, or it is too old')
}

function signatureOf(secret: string, at: string, body: Buffer): string {
  return createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex')
}

function startOfDay(date: Date): Date {
  return new Date(date.toISOString().slice(0, 10))
}
