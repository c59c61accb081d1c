import type { Account } from '../accounts/account.ts'
import type { Seal } from '../lib/seal.ts'
import type { Database } from '../storage/database.ts'
import { createSecret } from './create.ts'
import { getSecret } from './get.ts'
import { removeSecret } from './remove.ts'
import { resolveSecrets } from './resolve.ts'
import type { CreateSecret, RevealedSecret, Secret, UpdateSecret } from './secret.ts'
import { SecretStore } from './store.ts'
import { updateSecret } from './update.ts'

export interface SecretDeps {
  store: SecretStore
  now: () => Date
  /** Told, and waited for, after a secret has another value or other hosts, or is gone. */
  changed: (accountId: string, name: string) => Promise<void>
}

interface SecretsOptions extends Pick<SecretDeps, 'now' | 'changed'> {
  db: Database
  seal: Seal
}

/** Everything that can be done with secrets. One verb a line, each in the file named like it. */
export function createSecrets({ db, seal, ...given }: SecretsOptions) {
  const deps: SecretDeps = { ...given, store: new SecretStore({ db, seal }) }
  return {
    create: (account: Account, input: CreateSecret): Promise<Secret> => createSecret(deps, account, input),
    list: (account: Account): Promise<Secret[]> => deps.store.list(account.id),
    get: (account: Account, idOrName: string): Promise<Secret> => getSecret(deps, account, idOrName),
    update: (account: Account, idOrName: string, input: UpdateSecret): Promise<Secret> =>
      updateSecret(deps, { account, idOrName }, input),
    remove: (account: Account, idOrName: string): Promise<void> => removeSecret(deps, account, idOrName),

    /** Values, for other parts of the platform alone. Throws `not_found` for the first that is not there. */
    resolve: (accountId: string, names: readonly string[]): Promise<Record<string, string>> =>
      resolveSecrets(deps, accountId, names),
    /** Those of these names (in lower case) that there are, with where they may go. */
    reveal: (accountId: string, names: readonly string[]): Promise<RevealedSecret[]> =>
      deps.store.reveal(accountId, names),
    /** At start: seals anew what an older key sealed. */
    recover: (): Promise<void> => deps.store.reseal(),
  }
}

export type Secrets = ReturnType<typeof createSecrets>
