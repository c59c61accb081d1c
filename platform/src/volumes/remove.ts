import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import { getVolume } from './get.ts'
import type { VolumeDeps } from './volumes.ts'

/** Deletes a volume with all that is in it. Throws `conflict` while a sandbox has it. */
export async function removeVolume(deps: VolumeDeps, account: Account, idOrName: string): Promise<void> {
  const { store, files, content, sandboxesWith, busy } = deps
  const volume = await getVolume(deps, account, idOrName)
  const users = await sandboxesWith(volume.id)
  if (users.length > 0)
    throw new WarrenError('conflict', `volume "${volume.name}" is in use by ${users.length} sandboxes`, {
      hint: `Delete them first: ${users.slice(0, 5).join(', ')}`,
      details: { sandboxes: users.slice(0, 100) },
    })
  busy.add(volume.id)
  try {
    if (!(await store.markDeleting(volume))) return
    await content.close(volume.id)
    await files.remove(volume.id)
    await store.forget(volume.id)
  } finally {
    busy.delete(volume.id)
  }
}
