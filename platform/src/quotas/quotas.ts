import type { Account } from '../accounts/account.ts'
import { quotaExceeded } from '../lib/quota-exceeded.ts'
import type { Database, Queries } from '../storage/database.ts'
import { agentBudget } from './agent-budget.ts'
import { CallsAtOnce } from './calls-at-once.ts'
import { HeldInstances } from './held-instances.ts'
import type { Quota, QuotaDefaults, QuotaName, SetQuotas } from './quota.ts'
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
  const own = new Map<string, { most: number | undefined; at: number; asked: boolean }>()
  const defaultsOf = ({ maxSandboxes }: Account): QuotaDefaults => ({ ...defaults, sandboxes: maxSandboxes })

  const read = async (accountId: string, name: QuotaName) => {
    const most = await store.most(accountId, name)
    if (own.size >= mostRemembered) own.clear()
    own.set(`${accountId}/${name}`, { most, at: performance.now(), asked: false })
    return most
  }

  /** What was set for an organisation; at most a second old, and a request waits for it only once. */
  const recall = async (accountId: string, name: QuotaName): Promise<number | undefined> => {
    const known = own.get(`${accountId}/${name}`)
    if (!known) return read(accountId, name)
    if (!known.asked && performance.now() - known.at > freshMs) {
      known.asked = true
      void read(accountId, name).catch(() => {
        known.asked = false
      })
    }
    return known.most
  }

  /** Takes a part of a quota until it is given back or its time is over. Throws `limit_exceeded`. */
  const reserve = async (reservation: Reservation, within?: Queries): Promise<void> => {
    const beyond = await store.reserve(reservation, { defaults, now: now(), within })
    if (beyond) throw quotaExceeded(beyond)
  }

  const calls = new CallsAtOnce(async (accountId) => (await recall(accountId, 'functions')) ?? defaults.functions)

  const held = new HeldInstances({
    hold: (one) => store.hold(one, defaults),
    letGo: (ids) => store.letGo(ids),
    isLimited: async (accountId) => {
      const names = ['cpuCores', 'memoryMb', 'builds'] as const
      const found = await Promise.all(names.map((name) => recall(accountId, name)))
      return names.some((name, at) => (found[at] ?? defaults[name]) !== undefined)
    },
  })

  return {
    get: async (account: Account): Promise<Quota[]> => {
      const found = await store.read(account.id, defaultsOf(account), now())
      return found.map((quota) =>
        quota.name === 'functions' ? { ...quota, used: quota.used + calls.running(account.id) } : quota,
      )
    },
    /** Calls of functions that this platform makes. */
    calls,
    /** Takes processors and memory for what is no sandbox. */
    hold: held.hold,
    /** What an earlier process held has ended: nothing of it outlives the platform. */
    recover: (): Promise<void> => store.letGo('all'),
    set: async (accountId: string, { quotas }: SetQuotas): Promise<void> => {
      await store.set(accountId, quotas)
      for (const name of Object.keys(quotas)) own.delete(`${accountId}/${name}`)
      held.changed(accountId)
    },
    reserve: (account: Account, reservation: Omit<Reservation, 'accountId'>): Promise<void> =>
      reserve({ ...reservation, accountId: account.id }),
    release: (account: Account, reservation: Pick<Reservation, 'name' | 'holder'>): Promise<void> =>
      store.release({ ...reservation, accountId: account.id }),
    /** What agents may cost. */
    agentBudget: agentBudget({
      reserve,
      release: (reservation, within) => store.release(reservation, within),
      most: (subject, within) => store.mostWithin(within, subject, defaults),
    }),
    requestsPerMinute: ({ id }: Account): Promise<number | undefined> => recall(id, 'requestsPerMinute'),
    /** Whether the sandboxes of an organisation have sent what they may today; where nothing is set, the database is not asked. */
    isEgressUsedUp: async (accountId: string): Promise<boolean> => {
      const most = (await recall(accountId, 'egressMbPerDay')) ?? defaults.egressMbPerDay
      return most !== undefined && (await store.egress(accountId, now())) / 2 ** 20 > most
    },
    forgetEgress: (before: Date, most: number): Promise<number> => store.forgetEgress(before, most),
  }
}

export type Quotas = ReturnType<typeof createQuotas>
