import { readdir, rm } from 'node:fs/promises'
import {
  type DiskLimit,
  type DriverInstance,
  type InstanceDir,
  type InstanceSpec,
  type Limits,
  recordName,
  type SoftLimit,
  type Usage,
} from '../driver.ts'
import type { Cgroups } from './cgroups.ts'
import { Keeper, type KeeperPlan } from './keeper.ts'

interface Kept {
  spec: InstanceSpec
  dir: InstanceDir
  cgroups: Cgroups | undefined
  disk: DiskLimit
  unenforced: SoftLimit[]
  defaultUser: string
}

/** Starts a driver's instance under a keeper. On rejection nothing of it is left but its record. */
export async function launchKept(kept: Kept, plan: KeeperPlan, signal: AbortSignal): Promise<DriverInstance> {
  try {
    return keptInstance(kept, await Keeper.launch(kept.dir, plan, signal))
  } catch (error) {
    await Keeper.sweep(kept.dir)
    await removeRemains(kept)
    throw error
  }
}

/** Takes up an instance of an earlier process, or removes what is left of it. */
export async function recoverKept(kept: Kept): Promise<DriverInstance | undefined> {
  const keeper = await Keeper.adopt(kept.dir)
  if (keeper) return keptInstance(kept, keeper)
  await Keeper.sweep(kept.dir)
  await removeRemains(kept)
  return undefined
}

/** Limits are control groups, where the host allows them. */
function keptInstance(kept: Kept, keeper: Keeper): DriverInstance {
  const { spec, dir, cgroups, disk, unenforced, defaultUser } = kept
  let destroyed: Promise<void> | undefined
  return {
    agentSocket: `${dir.socketDir}/agent.sock`,
    defaultUser,
    disk,
    unenforced,
    exited: keeper.exited,
    async usage(): Promise<Usage | undefined> {
      return cgroups?.usage(spec.id)
    },
    async setLimits(limits: Limits): Promise<void> {
      await cgroups?.setLimits(spec.id, limits)
    },
    destroy(): Promise<void> {
      destroyed ??= keeper
        .kill()
        .then(() => removeRemains(kept))
        .catch((error) => {
          destroyed = undefined // tried again by whoever asks next
          throw error
        })
      return destroyed
    },
  }
}

/** Removes control groups and files. The record goes last, so that a crash in between is found again. */
async function removeRemains({ dir, spec, cgroups }: Kept): Promise<void> {
  await cgroups?.remove(spec.id)
  for (const name of await readdir(dir.path).catch(() => [])) {
    if (name !== recordName) await rm(`${dir.path}/${name}`, { recursive: true, force: true })
  }
}
