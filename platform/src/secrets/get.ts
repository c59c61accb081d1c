import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { Secret } from './secret.ts'
import type { SecretDeps } from './secrets.ts'

/** The secret of `account` with this id or name, without its value. Throws `not_found`. */
export async function getSecret({ store }: SecretDeps, account: Account, idOrName: string): Promise<Secret> {
  const known = idOrName.isWellFormed() && !idOrName.includes('\0')
  const found = known ? await store.find(account.id, idOrName.toLowerCase()) : undefined
  if (found) return found
  throw missing(idOrName)
}

export function missing(idOrName: string): WarrenError {
  return new WarrenError('not_found', `there is no secret "${idOrName.slice(0, 128)}"`)
}
