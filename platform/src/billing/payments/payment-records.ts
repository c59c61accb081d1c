import { sql } from 'kysely'
import { WarrenError } from '../../errors.ts'
import type { Queries } from '../../storage/database.ts'
import type { Payment } from './payment.ts'

interface Row {
  id: string
  account_id: string
  key: string
  provider: Payment['provider']
  purpose: Payment['purpose']
  invoice: string | null
  currency: string
  amount: string
  state: Payment['state']
  method: string | null
  reference: string | null
  reason: string | null
  created_at: Date
  settled_at: Date | null
}

const columns =
  sql.raw(`id, account_id, key, provider, purpose, invoice, currency, amount::text, state, method, reference,
  reason, created_at, settled_at`)

/** Throws `not_found` where the account has none of that id. */
export async function getPayment(queries: Queries, accountId: string, id: string): Promise<Payment> {
  const [payment] = await select(queries, sql`account_id = ${accountId} and id = ${id}`)
  if (payment) return payment
  throw new WarrenError('not_found', `there is no payment "${id.slice(0, 64)}"`)
}

export async function findByKey(queries: Queries, accountId: string, key: string): Promise<Payment | undefined> {
  return (await select(queries, sql`account_id = ${accountId} and key = ${key}`))[0]
}

/** What a provider tells of: by its own name for it, or by ours where it has not told its name yet. */
export async function findTold(
  queries: Queries,
  provider: string,
  { reference, payment }: { reference: string; payment: string | undefined },
): Promise<Payment | undefined> {
  const found = await select(
    queries,
    sql`provider = ${provider} and (reference = ${reference} or (reference is null and id = ${payment ?? null}))`,
  )
  return found[0]
}

/** Newest first. */
export function listPayments(
  queries: Queries,
  accountId: string,
  { limit, after }: { limit: number; after: number },
): Promise<Payment[]> {
  return select(
    queries,
    sql`account_id = ${accountId}`,
    sql`order by created_at desc, id limit ${limit} offset ${after}`,
  )
}

/** Those whose end is not known, begun before that time, the oldest first. */
export function openPayments(queries: Queries, before: Date): Promise<Payment[]> {
  return select(
    queries,
    sql`state in ('created', 'pending') and created_at <= ${before}`,
    sql`order by created_at limit 1000`,
  )
}

export async function lockPayment(tx: Queries, id: string): Promise<Payment> {
  return (await select(tx, sql`id = ${id}`, sql`for update`))[0]!
}

/** False where the account has one under that key. */
export async function insertPayment(tx: Queries, payment: Payment): Promise<boolean> {
  const { id, accountId, key, provider, purpose, invoice, currency, minor, method, createdAt } = payment
  const { numAffectedRows } =
    await sql`insert into billing_payments (id, account_id, key, provider, purpose, invoice, currency,
      amount, state, method, created_at)
    values (${id}, ${accountId}, ${key}, ${provider}, ${purpose}, ${invoice ?? null}, ${currency}, ${String(minor)}, 'created',
      ${method ?? null}, ${createdAt.toISOString()}) on conflict (account_id, key) do nothing`.execute(tx)
  return numAffectedRows === 1n
}

/** What the provider said of one that is not over: another answer may have been first. */
export async function markPending(
  queries: Queries,
  id: string,
  { reference, reason }: { reference: string; reason?: string | undefined },
): Promise<void> {
  await sql`update billing_payments set state = 'pending', reference = coalesce(reference, ${reference}),
    reason = ${reason ?? null} where id = ${id} and state in ('created', 'pending')`.execute(queries)
}

export async function markSettled(
  tx: Queries,
  id: string,
  settled: { state: 'succeeded' | 'failed'; reference?: string | undefined; reason?: string | undefined; at: Date },
): Promise<void> {
  await sql`update billing_payments set state = ${settled.state}, reference = coalesce(reference, ${settled.reference ?? null}),
    reason = ${settled.reason ?? null}, settled_at = ${settled.at.toISOString()} where id = ${id}`.execute(tx)
}

async function select(queries: Queries, where: ReturnType<typeof sql>, rest = sql``): Promise<Payment[]> {
  const { rows } = await sql<Row>`select ${columns} from billing_payments where ${where} ${rest}`.execute(queries)
  return rows.map((row) => ({
    id: row.id,
    accountId: row.account_id,
    key: row.key,
    provider: row.provider,
    purpose: row.purpose,
    invoice: row.invoice ?? undefined,
    currency: row.currency,
    minor: BigInt(row.amount),
    state: row.state,
    method: row.method ?? undefined,
    reference: row.reference ?? undefined,
    reason: row.reason ?? undefined,
    createdAt: row.created_at,
    settledAt: row.settled_at ?? undefined,
  }))
}
