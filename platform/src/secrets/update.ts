import type { Account } from '../accounts/account.ts'
import { checkHosts, checkMetadata } from './check.ts'
import { getSecret, missing } from './get.ts'
import type { Secret, UpdateSecret } from './secret.ts'
import type { SecretDeps } from './secrets.ts'

/** A new value, other hosts or other labels. What uses it has the new one when this resolves. Throws `not_found`. */
export async function updateSecret(
  deps: SecretDeps,
  { account, idOrName }: { account: Account; idOrName: string },
  input: UpdateSecret,
): Promise<Secret> {
  checkMetadata(input.metadata ?? {})
  const change = { ...input, ...(input.hosts ? { hosts: checkHosts(input.hosts) } : {}) }
  const secret = await getSecret(deps, account, idOrName)
  const updated = await deps.store.update(secret, change, deps.now())
  if (!updated) throw missing(idOrName)
  await deps.changed(account.id, updated.name)
  return updated
}
