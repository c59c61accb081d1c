import { WarrenError } from '../errors.ts'
import type { Queries } from '../storage/database.ts'
import type { Reservation } from './quota-store.ts'

/** A run of an agent with all that it spawns: they share a budget. */
export interface BudgetSubject {
  accountId: string
  /** The run that the others come from. */
  rootId: string
}

/** What runs may cost is reserved and given back in the transactions that record them: so no crash comes between. */
export interface AgentBudget {
  /** Again for the same run it is the same reservation. Throws `limit_exceeded`: then the transaction must not be committed. */
  reserve: (tx: Queries, subject: BudgetSubject, maxUsd: number | undefined) => Promise<void>
  release: (tx: Queries, subject: BudgetSubject) => Promise<void>
}

const name = 'agentBudget'

export function agentBudget(quotas: {
  reserve: (reservation: Reservation, within: Queries) => Promise<void>
  release: (reservation: Pick<Reservation, 'accountId' | 'name' | 'holder'>, within: Queries) => Promise<void>
  /** Infinite where there is no limit. */
  most: (subject: Pick<Reservation, 'accountId' | 'name'>, within: Queries) => Promise<number>
}): AgentBudget {
  return {
    reserve: async (tx, { accountId, rootId }, maxUsd) => {
      if (maxUsd !== undefined)
        return quotas.reserve({ accountId, name, holder: rootId, amount: Math.ceil(maxUsd * 1e6) }, tx)
      const most = await quotas.most({ accountId, name }, tx)
      // Nobody knows what it will cost: it may be more than there is.
      if (Number.isFinite(most))
        throw new WarrenError('limit_exceeded', `the quota is ${most} millionths of a dollar for agents at once`, {
          hint: 'Give the agent a budget: "limits": {"maxUsd": 0.5}. `warren quota` shows what is reserved.',
          details: { quota: name, limit: most },
        })
    },
    release: (tx, { accountId, rootId }) => quotas.release({ accountId, name, holder: rootId }, tx),
  }
}
