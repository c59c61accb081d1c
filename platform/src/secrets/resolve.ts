import { missing } from './get.ts'
import type { SecretDeps } from './secrets.ts'

/** The values of these secrets, by the names as they were asked for. Throws `not_found` for the first that is not there. */
export async function resolveSecrets(
  { store }: SecretDeps,
  accountId: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const found = await store.reveal(accountId, [...new Set(names.map((name) => name.toLowerCase()))])
  return Object.fromEntries(
    names.map((name) => {
      const secret = found.find((one) => one.name === name.toLowerCase())
      if (!secret) throw missing(name)
      return [name, secret.value]
    }),
  )
}
