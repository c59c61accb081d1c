import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { type CreateVolume, usualSizeMb, type Volume } from './volume.ts'
import type { VolumeDeps } from './volumes.ts'

/** An empty volume. Throws `conflict` when the account has one of that name. On rejection nothing is left. */
export async function createVolume(
  { store, files, config, now, busy }: VolumeDeps,
  account: Account,
  { name, sizeMb = usualSizeMb }: CreateVolume,
): Promise<Volume> {
  const volume: Volume = {
    id: newId('v'),
    accountId: account.id,
    name,
    sizeMb: files.hasLimit ? sizeMb : undefined,
    createdAt: now(),
  }
  busy.add(volume.id)
  try {
    if (!(await store.reserve(volume, config.quotas)))
      throw new WarrenError('conflict', `there is a volume "${name}" already`, {
        hint: 'Delete it, or take another name.',
      })
    try {
      await files.create(volume.id, sizeMb)
      await store.markReady(volume)
    } catch (error) {
      await files.remove(volume.id)
      await store.forget(volume.id)
      throw error
    }
    return volume
  } finally {
    busy.delete(volume.id)
  }
}
