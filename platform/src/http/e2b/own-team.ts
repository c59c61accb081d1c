import type { Account } from '../../accounts/account.ts'
import { Refusal } from './refusal.ts'

/** There is one team, the account of the caller: another one that is named is none the caller has. */
export function checkTeam(account: Account, teamId: string | undefined): void {
  if (teamId !== undefined && teamId !== account.id) throw new Refusal(404, `team '${teamId.slice(0, 64)}' not found`)
}
