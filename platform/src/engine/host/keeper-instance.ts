import { readdir, rm } from 'node:fs/promises'
import { unlessOutOfResources } from '../../lib/out-of-resources.ts'
import { step } from '../../lib/step.ts'
import {
  type DiskLimit,
  type DriverInstance,
  type Hold,
  type InstanceDir,
  type InstanceSpec,
  type Limits,
  recordName,
  type SoftLimit,
  type Usage,
} from '../driver.ts'
import type { Cgroups } from './cgroups.ts'
import { Keeper, type KeeperPlan } from './keeper.ts'
import { treeOf } from './processes.ts'

interface Kept {
  spec: InstanceSpec
  dir: InstanceDir
  cgroups: Cgroups | undefined
  disk: DiskLimit
  unenforced: SoftLimit[]
  defaultUser: string
  /** Where the agent is reached otherwise than by the socket it inherits. */
  attach?: Attach | undefined
}

/** Finds the agent of the keeper with this pid. Rejects when there is none in time. */
export type Attach = (keeperPid: number, signal: AbortSignal) => Promise<{ agentSocket: string; release: () => void }>

/** Starts a driver's instance under a keeper. On rejection nothing of it is left but its record. */
export async function launchKept(
  kept: Kept,
  plan: KeeperPlan,
  signal: AbortSignal,
  hold?: Hold,
): Promise<DriverInstance> {
  try {
    return await keptInstance(kept, await Keeper.launch(kept.dir, plan, signal, hold), signal)
  } catch (error) {
    await sweep(kept)
    await removeRemains(kept)
    throw error
  }
}

/** Takes up an instance of an earlier process, or removes what is left of it. */
export async function recoverKept(kept: Kept): Promise<DriverInstance | undefined> {
  const keeper = await Keeper.adopt(kept.dir)
  // An agent that cannot be found any more is as good as dead.
  const instance = keeper && (await keptInstance(kept, keeper, AbortSignal.timeout(1000)).catch(() => undefined))
  if (instance) return instance
  await sweep(kept)
  await removeRemains(kept)
  return undefined
}

/** Limits are control groups, where the host allows them. */
async function keptInstance(kept: Kept, keeper: Keeper, signal: AbortSignal): Promise<DriverInstance> {
  const { spec, dir, cgroups, disk, unenforced, defaultUser } = kept
  const inherited = { agentSocket: `${dir.socketDir}/agent.sock`, release: () => {} }
  const { agentSocket, release } = kept.attach ? await kept.attach(keeper.state.keeperPid, signal) : inherited
  let destroyed: Promise<void> | undefined
  let released = false
  // What we hold open of its disk would keep the disk from being taken away.
  const releaseOnce = () => {
    if (!released) release()
    released = true
  }
  void keeper.exited.then(releaseOnce)
  return {
    agent: {
      get socketPath() {
        return released ? `${dir.socketDir}/ended` : agentSocket
      },
    },
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
    async hostProcesses(): Promise<number[]> {
      const { keeperPid } = keeper.state
      return (await treeOf(keeperPid)).filter((pid) => pid !== keeperPid)
    },
    destroy(): Promise<void> {
      releaseOnce()
      destroyed ??= step('keeper.kill', spec.id, () => keeper.kill())
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
  await step('instance.clear', spec.id, async () => {
    for (const name of await readdir(dir.path).catch(unlessOutOfResources([]))) {
      if (name !== recordName) await rm(`${dir.path}/${name}`, { recursive: true, force: true })
    }
  })
}

function sweep({ dir, spec }: Kept): Promise<void> {
  return step('keeper.sweep', spec.id, () => Keeper.sweep(dir))
}
