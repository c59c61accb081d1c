import { WarrenError } from '../errors.ts'
import type { RecordUsage } from '../metering/usage-fact.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { bindCard, confirmCard, listCards } from './bank/cards.ts'
import { demo } from './bank/demo.ts'
import type { BankDeps } from './bank/sandbox-bank.ts'
import { type BillingAccount, findBillingAccount, setLimits, subscriptionsOf, takePlan } from './billing-account.ts'
import { closePeriods } from './close-periods.ts'
import { type CouponTerms, createCoupon, redeemCoupon, redemptionsOf } from './coupon.ts'
import { creditNote, type NewCreditNote } from './credit-note.ts'
import type { Invoice } from './invoice.ts'
import { isBefore, windowOf } from './invoice-lines.ts'
import { invoiceOnce } from './invoice-once.ts'
import { invoicePdf } from './invoice-pdf.ts'
import { getInvoice, invoicesInOrder, linesOf, listInvoices } from './invoice-records.ts'
import { balanceOf, listPostings } from './ledger.ts'
import type { Money } from './money.ts'
import { createPayment, goOn, type NewPayment } from './payments/create-payment.ts'
import type { PaymentProvider } from './payments/payment.ts'
import { getPayment, listPayments } from './payments/payment-records.ts'
import { pollPayments } from './payments/poll-payments.ts'
import { takeNotice } from './payments/take-notice.ts'
import type { PlanTerms } from './plan.ts'
import { findPlan, listPlans, seedPlans, writePlan } from './plans.ts'
import { preview } from './preview.ts'
import { SpendGuard, spentSince } from './spend-guard.ts'
import { usageBySubject } from './usage.ts'
import { verify } from './verify/verify.ts'

interface BillingOptions {
  db: Database
  now: () => Date
  logger: Logger
  /** Of accounts that did not choose one. */
  currency: string
  providers: PaymentProvider[]
  /** Signs what the sandbox bank tells. */
  bankSecret: string
  recordUsage: RecordUsage
  /** Whether periods are closed, payments asked after and limits told of here: one process does it for all. */
  worksAlone: boolean
}

type Page = { limit: number; after: number }

/** How often periods are closed, payments asked after and limits counted, milliseconds. */
const everyMs = 15_000

/** Everything that can be done with money. One verb a line, each in the file named like it. */
export async function openBilling(options: BillingOptions) {
  const { db, now, logger, currency, providers, recordUsage } = options
  const bank: BankDeps = { db, now, secret: options.bankSecret }
  const deps = { db, now, logger, providers: new Map(providers.map((provider) => [provider.name as string, provider])) }
  const { kysely } = db
  const guard = new SpendGuard({ ...deps, tells: options.worksAlone })
  if (options.worksAlone) await seedPlans(db, now())
  const played = () => {
    if (deps.providers.has('bank')) return bank
    throw new WarrenError('not_found', 'nothing is paid at the sandbox bank here', {
      hint: 'WARREN_BILLING_SANDBOX_BANK=yes makes it a way to pay; warren billing demo shows it without.',
    })
  }
  const accountOf = async (accountId: string): Promise<BillingAccount> =>
    (await findBillingAccount(kysely, accountId)) ?? { accountId, currency, softLimit: undefined, hardLimit: undefined }

  const work = async () => {
    await closePeriods(deps)
    await pollPayments(deps)
    for (const { name, work } of providers) await work?.((notice) => takeNotice(deps, name, notice))
    await guard.count()
  }
  const stop = repeat(options.worksAlone ? work : () => guard.count(), everyMs, logger)

  return {
    providers: ['wallet', ...deps.providers.keys()],
    plans: () => listPlans(kysely),
    writePlan: (id: string, terms: PlanTerms) => writePlan(db, id, terms, now()),
    takePlan: async (accountId: string, input: { plan: string; currency?: string | undefined }) =>
      takePlan(deps, accountId, {
        plan: input.plan,
        currency: input.currency ?? (await accountOf(accountId)).currency,
      }),
    overview: async (accountId: string) => {
      const account = await accountOf(accountId)
      const subscription = (await subscriptionsOf(kysely, accountId)).at(-1)
      return {
        account,
        plan: subscription?.plan ?? (await findPlan(kysely, 'free', 1)),
        since: subscription?.since,
        wallet: -(await balanceOf(kysely, `wallet:${accountId}`, account.currency)),
        spent: await spentSince(db, account, now()),
        coupons: await redemptionsOf(kysely, accountId),
      }
    },
    preview: async (accountId: string) => preview(kysely, await accountOf(accountId), now()),
    setLimits: async (
      accountId: string,
      limits: { soft?: Money | null | undefined; hard?: Money | null | undefined },
    ) => {
      const account = await accountOf(accountId)
      const minor = (limit: Money | null | undefined) => {
        if (limit && limit.currency !== account.currency)
          throw new WarrenError('invalid_request', `this account pays in ${account.currency}, not in ${limit.currency}`)
        return limit ? limit.minor : limit
      }
      await setLimits(deps, account, { soft: minor(limits.soft), hard: minor(limits.hard) })
      await guard.count()
    },
    mayStart: (accountId: string): void => guard.mayStart(accountId),
    stopped: (): readonly string[] => guard.stopped,
    /** Whether the account ever had to do with money. */
    knows: async (accountId: string) => (await findBillingAccount(kysely, accountId)) !== undefined,
    invoice: (accountId: string, { key, until }: { key: string; until: Date | undefined }) =>
      invoiceOnce(deps, accountId, { key, until }),
    invoices: (accountId: string, page: Page) => listInvoices(kysely, accountId, page),
    getInvoice: async (accountId: string, id: string) => ({
      invoice: await getInvoice(kysely, accountId, id),
      lines: await linesOf(kysely, id),
    }),
    invoicePdf: async (accountId: string, id: string, name: string): Promise<Buffer> =>
      invoicePdf(await getInvoice(kysely, accountId, id), await linesOf(kysely, id), name),
    usageOf: async (accountId: string, id: string, page: Page) => {
      const found = await getInvoice(kysely, accountId, id)
      const all = await invoicesInOrder(kysely, accountId)
      return usageBySubject(
        kysely,
        windowOf(
          found,
          all.filter((one) => isBefore(one, found)),
        ),
        page,
      )
    },
    creditNote: (accountId: string, id: string, input: NewCreditNote): Promise<Invoice> =>
      creditNote(deps, { accountId, id }, input),
    createCoupon: (code: string, terms: CouponTerms) => createCoupon(deps, code, terms),
    redeemCoupon: async (accountId: string, code: string) => redeemCoupon(deps, await accountOf(accountId), code),
    pay: (accountId: string, input: NewPayment) => createPayment(deps, accountId, input),
    /** Asks the provider how it is with one that is not over. */
    getPayment: async (accountId: string, id: string) =>
      (await goOn(deps, await getPayment(kysely, accountId, id))).payment,
    payments: (accountId: string, page: Page) => listPayments(kysely, accountId, page),
    takeNotice: (provider: string, notice: { body: Buffer; signature: string | undefined }) =>
      takeNotice(deps, provider, notice),
    ledger: (page: Page & { account?: string | undefined }) => listPostings(kysely, page),
    verify: () => verify(db),
    bindCard: (accountId: string, input: { number: string; currency: string }) => bindCard(played(), accountId, input),
    confirmCard: (accountId: string, input: { id: string; code: string }) => confirmCard(played(), accountId, input),
    cards: (accountId: string) => listCards(played(), accountId),
    demo: () => demo({ ...bank, recordUsage }),
    /** What is done now and then, at once. */
    work,
    close: stop,
  }
}

export type Billing = Awaited<ReturnType<typeof openBilling>>

function repeat(work: () => Promise<void>, intervalMs: number, logger: Logger): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  let isOver = false
  const turn = () => {
    running = work()
      .catch((error) => logger.warn({ err: error }, 'billing could not do its rounds; they are done again later'))
      .then(() => {
        if (!isOver) timer = setTimeout(turn, intervalMs).unref()
      })
  }
  timer = setTimeout(turn, 1000).unref()
  return async () => {
    isOver = true
    clearTimeout(timer)
    await running
  }
}
