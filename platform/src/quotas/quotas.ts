import type { Account } from '../accounts/account.ts'
import { quotaExceeded } from '../lib/quota-exceeded.ts'
import type { Database } from '../storage/database.ts'
import type { Quota, QuotaDefaults, SetQuotas } from './quota.ts'
import { QuotaStore, type Reservation } from './quota-store.ts'

/** How long an answer is taken for current where it is asked for with each request, milliseconds. */
const freshMs = 1_000
const mostRemembered = 10_000

interface QuotasOptions {
  db: Database
  /** What everybody has for whom nothing else was set. */
  defaults: QuotaDefaults
  now: () => Date
}

/** What organisations may have. Sandboxes, volumes and snapshots are counted where they are recorded, by the same rules. */
export function createQuotas({ db, defaults, now }: QuotasOptions) {
  const store = new QuotaStore(db)
  const rates = new Map<string, { most: number | undefined; at: number; asked: boolean }>()
  const defaultsOf = ({ maxSandboxes }: Account): QuotaDefaults => ({ ...defaults, sandboxes: maxSandboxes })

  const readRate = async (accountId: string) => {
    const most = await store.most(accountId, 'requestsPerMinute')
    if (rates.size >= mostRemembered) rates.clear()
    rates.set(accountId, { most, at: performance.now(), asked: false })
    return most
  }

  return {
    get: (account: Account): Promise<Quota[]> => store.read(account.id, defaultsOf(account), now()),
    set: async (accountId: string, { quotas }: SetQuotas): Promise<void> => {
      await store.set(accountId, quotas)
      rates.delete(accountId)
    },
    /** Takes a part of a quota until it is given back or its time is over. Throws `limit_exceeded`. */
    reserve: async (account: Account, reservation: Omit<Reservation, 'accountId'>): Promise<void> => {
      const beyond = await store.reserve({ ...reservation, accountId: account.id }, defaultsOf(account), now())
      if (beyond) throw quotaExceeded(beyond)
    },
    release: (account: Account, reservation: Pick<Reservation, 'name' | 'holder'>): Promise<void> =>
      store.release({ ...reservation, accountId: account.id }),
    /** What was set for an organisation; at most a second old, and a request waits for it only once. */
    requestsPerMinute: async ({ id }: Account): Promise<number | undefined> => {
      const known = rates.get(id)
      if (!known) return readRate(id)
      if (!known.asked && performance.now() - known.at > freshMs) {
        known.asked = true
        void readRate(id).catch(() => {
          known.asked = false
        })
      }
      return known.most
    },
    /** What the sandboxes of an organisation sent since it was told last. Answers whether the day's quota is used up. */
    addEgress: async (account: Account, bytes: number): Promise<boolean> => {
      const [sent, own] = [
        await store.addEgress(account.id, bytes, now()),
        await store.most(account.id, 'egressMbPerDay'),
      ]
      return sent / 2 ** 20 > (own ?? defaults.egressMbPerDay ?? Number.POSITIVE_INFINITY)
    },
    forgetEgress: (before: Date, most: number): Promise<number> => store.forgetEgress(before, most),
  }
}

export type Quotas = ReturnType<typeof createQuotas>
