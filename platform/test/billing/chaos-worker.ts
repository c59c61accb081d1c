import { randomInt, randomUUID } from 'node:crypto'
import { bindCard, confirmCard, listCards } from '../../src/billing/bank/cards.ts'
import { endDay } from '../../src/billing/bank/day-end.ts'
import { sandboxBank } from '../../src/billing/bank/sandbox-bank.ts'
import { takePlan } from '../../src/billing/billing-account.ts'
import { closePeriods, invoice } from '../../src/billing/close-periods.ts'
import { creditNote } from '../../src/billing/credit-note.ts'
import { listInvoices } from '../../src/billing/invoice-records.ts'
import { createPayment } from '../../src/billing/payments/create-payment.ts'
import { takeNotice } from '../../src/billing/payments/take-notice.ts'
import { seedPlans } from '../../src/billing/plans.ts'
import { WarrenError } from '../../src/errors.ts'
import { recordUsage } from '../../src/metering/record-usage.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

/* Does everything that has to do with money, over and over, until it is killed. Its one argument is the database. */
const logger = createLogger('silent')
const db = await openDatabase({ home: '/nonexistent', databaseUrl: process.argv[2]!, logger })
const bankDeps = { db, now: () => new Date(), secret: 'chaos' }
const bank = sandboxBank(bankDeps)
const deps = { ...bankDeps, logger, providers: new Map([['bank', bank]]) }
const accounts = ['c0', 'c1', 'c2', 'c3']

await seedPlans(db, new Date())
await closePeriods(deps)
process.send?.('at work')
await Promise.all([...accounts.map((account) => customer(account)), theBank()])

async function customer(account: string): Promise<void> {
  await attempt(() => takePlan(deps, account, { plan: 'basic', currency: 'USD' }))
  let [card] = await listCards(bankDeps, account)
  if (card?.state !== 'bound') {
    const bound = await bindCard(bankDeps, account, { number: '4242424242424242', currency: 'CNY' })
    card = await confirmCard(bankDeps, account, { id: bound.card.id, code: bound.code })
  }
  const method = card.id
  for (;;) {
    await db.transaction((tx) => recordUsage(tx, facts(account)))
    const amount = { currency: 'USD', minor: 100n }
    await attempt(() =>
      createPayment(deps, account, { key: `top-${randomInt(1000)}`, provider: 'bank', method, amount }),
    )
    await attempt(() => invoice(deps, account, new Date()))
    for (const { id, state, currency } of await listInvoices(db.kysely, account, { limit: 3, after: 0 })) {
      if (state !== 'issued') continue
      const provider = randomInt(2) ? 'wallet' : 'bank'
      await attempt(() => createPayment(deps, account, { key: `pay-${id}-${provider}`, provider, method, invoice: id }))
      if (randomInt(5) === 0)
        await attempt(() =>
          creditNote(
            deps,
            { accountId: account, id },
            { key: randomUUID(), amount: { currency, minor: 1n }, memo: 'chaos' },
          ),
        )
    }
  }
}

async function theBank(): Promise<void> {
  for (;;) {
    await attempt(() => bank.work!((notice) => takeNotice(deps, 'bank', notice)))
    if (randomInt(4) === 0) await attempt(() => endDay(bankDeps, new Date('2999-01-01')))
  }
}

function facts(accountId: string) {
  const endedAt = new Date()
  return Array.from({ length: 20 }, () => ({
    key: randomUUID(),
    accountId,
    kind: 'sandbox' as const,
    subject: `s${randomInt(5)}`,
    startedAt: new Date(endedAt.getTime() - randomInt(100 * 3_600_000)),
    endedAt,
    cpuMs: randomInt(1_000_000_000),
    networkOutBytes: randomInt(2 ** 40),
  }))
}

/** What may not be done at the moment is no failure; everything else ends the worker. */
async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const isExpected = error instanceof WarrenError && ['conflict', 'invalid_request'].includes(error.code)
    const isTurn = ['40P01', '40001', '55P03'].includes((error as { code?: string }).code ?? '')
    if (!isExpected && !isTurn) throw error
  }
}
