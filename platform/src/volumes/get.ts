import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { Volume } from './volume.ts'
import type { VolumeDeps } from './volumes.ts'

/** The volume of `account` with this id or name. Throws `not_found`. */
export async function getVolume({ store }: VolumeDeps, account: Account, idOrName: string): Promise<Volume> {
  const found = /^[a-zA-Z0-9_-]{1,64}$/.test(idOrName) ? await store.find(account.id, idOrName) : undefined
  if (found) return found
  throw new WarrenError('not_found', `there is no volume "${idOrName.slice(0, 64)}"`)
}
