import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { checkHosts, checkMetadata } from './check.ts'
import { type CreateSecret, idPrefix, mostSecrets, type Secret } from './secret.ts'
import type { SecretDeps } from './secrets.ts'

/** Keeps a value. Throws `conflict` when the account has a secret of that name. */
export async function createSecret(
  { store, now }: SecretDeps,
  account: Account,
  { name, value, hosts = [], metadata = {} }: CreateSecret,
): Promise<Secret> {
  checkMetadata(metadata)
  const at = now()
  const secret: Secret = {
    id: idPrefix + newId(''),
    accountId: account.id,
    name: name.toLowerCase(),
    version: 1,
    hosts: checkHosts(hosts),
    metadata,
    createdAt: at,
    updatedAt: at,
  }
  const outcome = await store.create(secret, value)
  if (outcome === 'full')
    throw new WarrenError('limit_exceeded', `there are ${mostSecrets} secrets already, and no more are kept`, {
      hint: 'Delete those that nobody uses.',
    })
  if (outcome === 'taken')
    throw new WarrenError('conflict', `there is a secret "${secret.name}" already`, {
      hint: 'Give it a new value instead, or take another name.',
    })
  return secret
}
