import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { MountedVolume, MountVolume } from '../sandboxes/volumes.ts'
import { getVolume } from './get.ts'
import type { VolumeDeps } from './volumes.ts'

/** The volumes that a new sandbox asks for by name. Throws `not_found` for one that is not there. */
export async function volumeMounts(
  deps: VolumeDeps,
  account: Account,
  asked: readonly MountVolume[],
): Promise<MountedVolume[]> {
  const mounts = await Promise.all(
    asked.map(async ({ name, path, readOnly }) => {
      const volume = await getVolume(deps, account, name)
      return { id: volume.id, name: volume.name, path, ...(readOnly && { readOnly }) }
    }),
  )
  const twice = mounts.find(({ id }, at) => mounts.findIndex((mount) => mount.id === id) !== at)
  if (twice) throw new WarrenError('invalid_request', `volume "${twice.name}" is mounted twice`)
  return mounts
}
