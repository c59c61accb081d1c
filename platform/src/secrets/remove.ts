import type { Account } from '../accounts/account.ts'
import { getSecret, missing } from './get.ts'
import type { SecretDeps } from './secrets.ts'

/** Forgets a secret. What would have used it is refused when this resolves. Throws `not_found`. */
export async function removeSecret(deps: SecretDeps, account: Account, idOrName: string): Promise<void> {
  const secret = await getSecret(deps, account, idOrName)
  if (!(await deps.store.remove(secret))) throw missing(idOrName)
  await deps.changed(account.id, secret.name)
}
