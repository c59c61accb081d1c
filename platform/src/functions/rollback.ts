import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { checkTargets } from './choose-version.ts'
import type { FunctionDeps } from './functions.ts'
import type { KnownFunction } from './store.ts'

/** Lets all calls go to an earlier version: `to`, or the one before that which has the most of them now. */
export async function rollback(
  { store }: FunctionDeps,
  account: Account,
  name: string,
  to?: number,
): Promise<KnownFunction> {
  const known = await store.get(account.id, name)
  const current = known.record.live.toSorted((a, b) => b.weight - a.weight)[0]?.version ?? 0
  const before = [...known.versions.keys()].filter((version) => version < current).at(-1)
  const version = to ?? before
  if (version === undefined) throw new WarrenError('conflict', `function "${name}" has no version before ${current}`)
  await store.setLive(known.record, checkTargets(known, [{ version, weight: 100 }]))
  return store.get(account.id, name)
}
