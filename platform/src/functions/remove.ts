import type { Account } from '../accounts/account.ts'
import type { FunctionDeps } from './functions.ts'

/** Deletes a function with its versions. Its calls that run fail; its code goes from the disk when nobody else has the same. */
export async function removeFunction(
  { store, fleet, code, counters, demand, sizing, logs }: FunctionDeps,
  account: Account,
  name: string,
): Promise<void> {
  const { record } = await store.get(account.id, name)
  await store.remove(record)
  fleet.drop(record.id)
  counters.forget(record.id)
  demand.forget(record.id)
  sizing.forget(record.id)
  logs.forget(record.id)
  await code.sweep()
}
