import { type Dirent, readlinkSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { WarrenError } from '../../errors.ts'
import { absentIsFine } from '../../lib/absent-is-fine.ts'
import { isOutOfResources, unlessOutOfResources } from '../../lib/out-of-resources.ts'
import { step } from '../../lib/step.ts'
import {
  type CheckpointToken,
  type DiskLimit,
  type DriverInstance,
  type Hold,
  type InstanceDir,
  type InstanceSpec,
  type Limits,
  recordName,
  type SoftLimit,
  snapshotParts,
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
  /** Names of its files that stay when it cannot be started or taken up. */
  remaining?: readonly string[] | undefined
  /** Where a runtime can save what runs in it. */
  checkpoint?: Checkpoint | undefined
}

/** Why a driver that stops what it runs by a control group cannot. */
export const noFreezer = 'control groups cannot be made here, so nothing stops all processes at once'

/** Finds the agent of the keeper with this pid. Rejects when there is none in time. */
export type Attach = (keeperPid: number, signal: AbortSignal) => Promise<{ agentSocket: string; release: () => void }>

/** How the runtime of one instance is stopped and saved. */
export interface Checkpoint {
  /**
   * The agent lets go of the host, everything stands still, memory is written to `into`. On rejection all is undone.
   * `besides` is done when it stands still and all that was written to files is in them, and waited for too.
   */
  save(agentSocket: string, into: string, signal: AbortSignal, besides?: Besides): Promise<CheckpointToken>
  /** Goes on, and lets the agent listen again. Does nothing to one that never stopped. */
  goOn(token?: CheckpointToken): Promise<void>
  /** The agent listens again: what told it to is not needed any more. */
  listens(): Promise<void>
}

/** What is done while an instance stands still. */
export interface Besides {
  /** May be asked for again: what was copied before is of no use then. */
  copyDisk(): Promise<void>
  /** The copy is of the moment in which it stands still. */
  diskIsCopied(token: CheckpointToken): void
}

/** Starts a driver's instance under a keeper. On rejection nothing of it is left but its record and what remains. */
export async function launchKept(
  kept: Kept,
  plan: KeeperPlan,
  signal: AbortSignal,
  hold?: Hold,
): Promise<DriverInstance> {
  let keeper: Keeper | undefined
  try {
    keeper = await Keeper.launch(kept.dir, plan, signal, hold)
    return await keptInstance(kept, keeper, signal)
  } catch (error) {
    // It takes the disk away before it goes: the next attempt may mount the same.
    await keeper?.kill()
    await sweep(kept)
    const reason = await withLastWords(kept, error)
    await removeRemains(kept, kept.remaining)
    throw reason
  }
}

/** Takes up an instance of an earlier process, which goes on if it stood still, or removes what is left of it. */
export async function recoverKept(kept: Kept): Promise<DriverInstance | undefined> {
  const keeper = await Keeper.adopt(kept.dir)
  if (keeper) {
    await kept.cgroups?.setFrozen(kept.spec.id, false)
    await kept.checkpoint?.goOn()
  }
  // An agent that cannot be found any more is as good as dead.
  const instance = keeper && (await keptInstance(kept, keeper, AbortSignal.timeout(1000)).catch(() => undefined))
  if (instance) return instance
  await sweep(kept)
  await removeRemains(kept, kept.remaining)
  return undefined
}

/** Ends what an earlier process left of an instance, as it is: nothing in it goes on. */
export async function sweepKept(kept: Kept): Promise<void> {
  const keeper = await Keeper.adopt(kept.dir)
  // It takes the disk away before it goes.
  if (keeper) await step('keeper.kill', kept.spec.id, () => keeper.kill())
  await sweep(kept)
  await removeRemains(kept, kept.remaining)
}

/** Limits are control groups, where the host allows them. */
async function keptInstance(kept: Kept, keeper: Keeper, signal: AbortSignal): Promise<DriverInstance> {
  const { spec, dir, cgroups, disk, unenforced, defaultUser, attach } = kept
  const inherited = { agentSocket: `${dir.socketDir}/agent.sock`, release: () => {} }
  let agent = attach ? await attachWhileAlive(attach, { keeper, signal }) : inherited
  await kept.checkpoint?.listens()
  let destroyed: Promise<void> | undefined
  let released = false
  // What we hold open of its disk would keep the disk from being taken away.
  const releaseOnce = () => {
    if (!released) agent.release()
    released = true
  }
  void keeper.exited.then(releaseOnce)
  // Only where the agent gives its socket up: else the kernel keeps connections for it.
  let standsStill: Promise<void> | undefined
  return {
    agent: {
      get standsStill() {
        return standsStill
      },
      get socketPath() {
        return released ? `${dir.socketDir}/ended` : agent.agentSocket
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
      const users = userNamespace(keeperPid)
      const tree = (await treeOf(keeperPid)).filter((pid) => pid !== keeperPid)
      // A runtime that only watches has no users of its own.
      const confined = users === undefined ? [] : tree.filter((pid) => userNamespace(pid) !== users)
      return confined.length > 0 ? confined : tree
    },
    ...standingStill(kept, keeper, {
      agentSocket: () => agent.agentSocket,
      standStill() {
        const { promise, resolve } = Promise.withResolvers<void>()
        standsStill = promise
        void keeper.exited.then(() => resolve())
        return () => {
          standsStill = undefined
          resolve()
        }
      },
      async reattach() {
        if (!attach || released) return
        const again = await attach(keeper.state.keeperPid, AbortSignal.timeout(reattachMs))
        await kept.checkpoint?.listens()
        agent.release()
        agent = again
      },
    }),
    destroy(remaining = []): Promise<void> {
      releaseOnce()
      destroyed ??= thaw(kept)
        .then(() => step('keeper.kill', spec.id, () => keeper.kill()))
        .then(() => removeRemains(kept, remaining))
        .catch((error) => {
          destroyed = undefined // tried again by whoever asks next
          throw error
        })
      return destroyed
    },
  }
}

/** Undefined where it may not be seen, or the process is gone. */
function userNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`)
  } catch (error) {
    if (isOutOfResources(error)) throw error
    return undefined
  }
}

/** Does not wait for an agent whose runtime has ended. */
async function attachWhileAlive(
  attach: Attach,
  { keeper, signal }: { keeper: Keeper; signal: AbortSignal },
): ReturnType<Attach> {
  const ended = new AbortController()
  void keeper.exited.then(() => ended.abort())
  try {
    return await attach(keeper.state.keeperPid, AbortSignal.any([signal, ended.signal]))
  } catch (cause) {
    throw ended.signal.aborted ? new Ended('the runtime ended at once', { cause }) : cause
  }
}

class Ended extends Error {}

/** What the runtime said last is the reason why nobody is there to be connected to. */
async function withLastWords({ dir }: Kept, error: unknown): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException
  if (!(error instanceof Ended) && code !== 'ECONNREFUSED' && code !== 'ENOENT') return error
  const said = await readFile(`${dir.path}/console.log`, 'utf8').catch(() => '')
  const lastWords = said.trim().split('\n').slice(-2).join(' · ').slice(-500)
  const message = `the runtime ended at once${lastWords ? `: ${lastWords}` : ''}`
  return new WarrenError('unavailable', message, { cause: error })
}

const reattachMs = 10_000

interface AgentAt {
  agentSocket: () => string
  /** Lets whoever wants to reach it wait, until what this answers is called. */
  standStill: () => () => void
  /** For an agent that has made its socket anew. */
  reattach: () => Promise<void>
}

/** What can be done to an instance while nothing in it moves. */
function standingStill(
  kept: Kept,
  keeper: Keeper,
  agent: AgentAt,
): Pick<DriverInstance, 'pause' | 'resume' | 'snapshot'> {
  const { spec, dir, cgroups, disk, checkpoint } = kept
  if (!cgroups) return {}
  let token: CheckpointToken | undefined
  let reachable = () => {}
  const goOn = async () => {
    try {
      await cgroups.setFrozen(spec.id, false)
      if (token === undefined) return
      await checkpoint?.goOn(token)
      token = undefined
      await agent.reattach()
    } finally {
      reachable()
    }
  }
  const stop = async (into: string, signal: AbortSignal, besides?: Besides) => {
    if (!checkpoint) {
      await cgroups.setFrozen(spec.id, true)
      return besides?.copyDisk()
    }
    reachable = agent.standStill()
    await step('snapshot.draft', spec.id, () => mkdir(`${into}/${snapshotParts.memory}`, { recursive: true }))
    token = await checkpoint
      .save(agent.agentSocket(), `${into}/${snapshotParts.memory}`, signal, besides)
      .catch(async (error) => {
        await agent.reattach()
        throw error
      })
  }
  return {
    pause: () => cgroups.setFrozen(spec.id, true),
    resume: goOn,
    ...(disk === 'loop' && {
      async snapshot(into, { hold, diskIsCopied }, signal) {
        const besides = {
          copyDisk: () =>
            step('snapshot.copy_disk', spec.id, async () => {
              await keeper.copyDisk()
              await rename(`${dir.path}/disk.copy`, `${into}/${snapshotParts.disk}`)
            }),
          diskIsCopied: (known: CheckpointToken) => diskIsCopied?.(known),
        }
        try {
          await stop(into, signal, hold ? undefined : besides)
          const saved = token === undefined ? {} : { token }
          if (hold) return { ...saved, goesOn: Promise.resolve() }
          const goesOn = goOn().catch(goOn)
          // Told to whoever waits for it.
          goesOn.catch(() => {})
          return { ...saved, goesOn }
        } catch (error) {
          await goOn()
          throw error
        }
      },
    }),
  }
}

/** The frozen do not die. */
async function thaw({ cgroups, spec }: Kept): Promise<void> {
  await cgroups?.setFrozen(spec.id, false).catch(() => {})
}

/** Removes control groups and files. The record goes last, so that a crash in between is found again. */
async function removeRemains({ dir, spec, cgroups }: Kept, remaining: readonly string[] = []): Promise<void> {
  await cgroups?.remove(spec.id)
  await step('instance.clear', spec.id, async () => {
    const all = await readdir(dir.path, { withFileTypes: true }).catch(unlessOutOfResources([]))
    const cleared = all.filter(({ name }) => name !== recordName && !remaining.includes(name))
    await Promise.all(cleared.map((entry) => removeEntry(`${dir.path}/${entry.name}`, entry)))
  })
}

/** A file in one call, where `rm` would look at it first, and again. */
function removeEntry(path: string, entry: Dirent): Promise<void> {
  return entry.isDirectory() ? rm(path, { recursive: true, force: true }) : unlink(path).catch(absentIsFine)
}

function sweep({ dir, spec }: Kept): Promise<void> {
  return step('keeper.sweep', spec.id, () => Keeper.sweep(dir))
}
