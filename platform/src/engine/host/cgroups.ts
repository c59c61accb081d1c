import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { WarrenError } from '../../errors.ts'
import { absentIsFine } from '../../lib/absent-is-fine.ts'
import { isOutOfResources } from '../../lib/out-of-resources.ts'
import { step } from '../../lib/step.ts'
import type { Limits, Usage } from '../driver.ts'

const root = '/sys/fs/cgroup'
const v1Controllers = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer'] as const
/** So often the kernel of a v1 hierarchy is asked to stop processes before they may go on for a moment. */
const asksUntilThaw = 20
/** Length of the period that a processor quota is counted in, microseconds. */
const cpuPeriodUs = 100_000
const freezeDeadlineMs = 5_000
const writeLimitsV1 = `${root}/blkio/blkio.throttle.write_bps_device`

/**
 * Control groups of this host, in whichever hierarchy it has: version 2, or the version 1 controllers
 * (also of a hybrid host, where version 2 is mounted without controllers).
 * All groups live below one `parent`, so that the reaper can tell ours from anybody's.
 */
export interface Cgroups {
  version: 1 | 2
  /** The path a runtime is told, relative to the root of the hierarchies. */
  path(id: string): string
  create(id: string, limits: Limits): Promise<void>
  setLimits(id: string, limits: Limits): Promise<void>
  /** Files to which a process of one thread writes `0` to join. */
  joinFiles(id: string): string[]
  /**
   * Lets a process that will soon be put into a group by its number wait less: the kernel first waits until every
   * processor has passed by, some 10 ms on an idle host, and remembers that for a moment.
   */
  expectJoin(): void
  /** Where the most that is written to a device in a second is set; undefined where the kernel does not limit it. */
  writeLimitFile(id: string): string | undefined
  usage(id: string): Promise<Usage | undefined>
  /** Stops everything inside, or lets it go on. Resolves when it is so; does nothing where there is no such group. */
  setFrozen(id: string, frozen: boolean): Promise<void>
  list(): Promise<string[]>
  /** Kills what is inside and removes the group. Idempotent. */
  remove(id: string): Promise<void>
  /** Removes the parent when nothing is left in it. */
  close(): Promise<void>
}

/** Undefined when this process may not make control groups. */
export async function openCgroups(parent: string): Promise<Cgroups | undefined> {
  const version = read(`${root}/cgroup.controllers`)?.includes('memory') ? 2 : 1
  const probe = version === 2 ? `${root}/${parent}` : `${root}/memory/${parent}`
  try {
    await step('cgroup.open', parent, async () => {
      await mkdir(probe, { recursive: true })
      if (version === 2) {
        await writeFile(`${root}/cgroup.subtree_control`, '+cpu +memory +pids')
        await writeFile(`${probe}/cgroup.subtree_control`, '+cpu +memory +pids')
        for (const group of [root, probe]) await writeFile(`${group}/cgroup.subtree_control`, '+io').catch(() => {})
      } else await forgetWriteLimits()
    })
  } catch {
    return undefined
  }
  const cgroups = version === 2 ? cgroupsV2(parent) : cgroupsV1(parent, await folders(root))
  return {
    ...cgroups,
    create: (id, limits) => step('cgroup.create', id, () => cgroups.create(id, limits)),
    setLimits: (id, limits) => step('cgroup.limit', id, () => cgroups.setLimits(id, limits)),
    remove: (id) => step('cgroup.remove', id, () => cgroups.remove(id)),
    close: () => step('cgroup.close', parent, () => cgroups.close()),
  }
}

/** Of devices that nobody uses: a keeper that was killed could not take its limit back. */
async function forgetWriteLimits(): Promise<void> {
  for (const line of read(writeLimitsV1)?.split('\n') ?? []) {
    const loopNumber = /^7:(\d+) /.exec(line)?.[1]
    if (!loopNumber || existsSync(`/sys/block/loop${loopNumber}/loop/backing_file`)) continue
    await writeFile(writeLimitsV1, `7:${loopNumber} 0`).catch(() => {})
  }
}

/** Puts this process where it is already, which changes nothing and makes the kernel wait now. */
function joiner(hierarchy: string, ownGroup: RegExp): () => void {
  const group = ownGroup.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  let pending = false
  return () => {
    if (group === undefined || pending) return
    pending = true
    writeFile(`${hierarchy}${group === '/' ? '' : group}/cgroup.procs`, String(process.pid))
      .catch(() => {}) // only a hint
      .finally(() => {
        pending = false
      })
  }
}

/** A runtime may make a group in every hierarchy the host has, not only in those we limit. */
function cgroupsV1(parent: string, hierarchies: readonly string[]): Cgroups {
  const dir = (controller: string, id: string) => `${root}/${controller}/${parent}/${id}`
  const setLimits = async (id: string, limits: Limits) => {
    const memory = async () => {
      const bytes = String(limits.memoryMb * 1024 * 1024)
      // memory and memory+swap must never cross: which goes first depends on the direction of the change.
      await writeFile(`${dir('memory', id)}/memory.limit_in_bytes`, bytes).catch(() => {})
      await writeFile(`${dir('memory', id)}/memory.memsw.limit_in_bytes`, bytes).catch(() => {})
      await writeFile(`${dir('memory', id)}/memory.limit_in_bytes`, bytes)
    }
    const cpu = async () => {
      await writeFile(`${dir('cpu', id)}/cpu.cfs_period_us`, String(cpuPeriodUs))
      await writeFile(`${dir('cpu', id)}/cpu.cfs_quota_us`, String(cpuQuotaUs(limits)))
    }
    await Promise.all([memory(), cpu(), writeFile(`${dir('pids', id)}/pids.max`, String(limits.maxProcesses))])
  }
  return {
    version: 1,
    path: (id) => `/${parent}/${id}`,
    setLimits,
    expectJoin: joiner(`${root}/freezer`, /^\d+:freezer:(.*)$/m),
    // Unlike cgroup.procs these do not make the kernel wait (see expectJoin).
    joinFiles: (id) => v1Controllers.map((controller) => `${dir(controller, id)}/tasks`),
    writeLimitFile: () => (existsSync(writeLimitsV1) ? writeLimitsV1 : undefined),
    async create(id, limits) {
      await Promise.all(v1Controllers.map((controller) => mkdir(dir(controller, id), { recursive: true })))
      await setLimits(id, limits)
    },
    async usage(id) {
      const cpu = read(`${dir('cpuacct', id)}/cpuacct.usage`)
      const memory = read(`${dir('memory', id)}/memory.usage_in_bytes`)
      if (cpu === undefined || memory === undefined) return undefined
      return {
        cpuUsec: Math.round(Number(cpu) / 1000),
        cpuCounter: numberOf(dir('cpuacct', id)),
        memoryBytes: Number(memory),
        memoryPeakBytes: Number(read(`${dir('memory', id)}/memory.max_usage_in_bytes`) ?? memory),
        processes: Number(read(`${dir('pids', id)}/pids.current`) ?? 0),
        oomKills: keyed(read(`${dir('memory', id)}/memory.oom_control`), 'oom_kill'),
      }
    },
    async setFrozen(id, frozen) {
      const file = `${dir('freezer', id)}/freezer.state`
      const wanted = frozen ? 'FROZEN' : 'THAWED'
      const isSo = () => [undefined, wanted].includes(read(file))
      if (isSo()) return
      // A process that was just being started can keep the kernel in between: asked again, it looks again. One with several
      // threads that becomes another program waits for the end of its threads, and those that stand still do not end.
      let asked = 0
      const again = async () => {
        if (frozen && ++asked % asksUntilThaw === 0) await writeFile(file, 'THAWED').catch(absentIsFine)
        await writeFile(file, wanted).catch(absentIsFine)
        return isSo()
      }
      await step('cgroup.freeze', id, () => waitFor(again))
    },
    async list() {
      const found = await Promise.all(hierarchies.map((controller) => folders(`${root}/${controller}/${parent}`)))
      return [...new Set(found.flat())]
    },
    async remove(id) {
      const state = `${dir('freezer', id)}/freezer.state`
      if (![undefined, 'THAWED'].includes(read(state))) await writeFile(state, 'THAWED').catch(() => {}) // the frozen do not die
      killInside(`${dir('pids', id)}/cgroup.procs`)
      await Promise.all(hierarchies.map((controller) => removeGroup(dir(controller, id))))
    },
    async close() {
      for (const controller of hierarchies) await rmdir(`${root}/${controller}/${parent}`).catch(() => {})
    },
  }
}

function cgroupsV2(parent: string): Cgroups {
  const dir = (id: string) => `${root}/${parent}/${id}`
  const setLimits = async (id: string, limits: Limits) => {
    await writeFile(`${dir(id)}/memory.max`, String(limits.memoryMb * 1024 * 1024))
    await writeFile(`${dir(id)}/memory.swap.max`, '0').catch(() => {})
    await writeFile(`${dir(id)}/cpu.max`, `${cpuQuotaUs(limits)} ${cpuPeriodUs}`)
    await writeFile(`${dir(id)}/pids.max`, String(limits.maxProcesses))
  }
  return {
    version: 2,
    path: (id) => `/${parent}/${id}`,
    setLimits,
    expectJoin: joiner(root, /^0::(.*)$/m),
    joinFiles: (id) => [`${dir(id)}/cgroup.procs`],
    writeLimitFile: (id) => `${dir(id)}/io.max`,
    async create(id, limits) {
      await mkdir(dir(id), { recursive: true })
      await setLimits(id, limits)
    },
    async usage(id) {
      const cpu = read(`${dir(id)}/cpu.stat`)
      const memory = read(`${dir(id)}/memory.current`)
      if (cpu === undefined || memory === undefined) return undefined
      return {
        cpuUsec: keyed(cpu, 'usage_usec'),
        cpuCounter: numberOf(dir(id)),
        memoryBytes: Number(memory),
        memoryPeakBytes: Number(read(`${dir(id)}/memory.peak`) ?? memory),
        processes: Number(read(`${dir(id)}/pids.current`) ?? 0),
        oomKills: keyed(read(`${dir(id)}/memory.events`), 'oom_kill'),
      }
    },
    async setFrozen(id, frozen) {
      const file = `${dir(id)}/cgroup.freeze`
      const wanted = frozen ? '1' : '0'
      const isSo = () => {
        const events = read(`${dir(id)}/cgroup.events`)
        return events === undefined || keyed(events, 'frozen') === Number(wanted)
      }
      // What is not frozen yet may be about to be.
      if (isSo() && [undefined, wanted].includes(read(file))) return
      await step('cgroup.freeze', id, async () => {
        await writeFile(file, wanted).catch(absentIsFine)
        await waitFor(isSo)
      })
    },
    list: () => folders(`${root}/${parent}`),
    async remove(id) {
      await writeFile(`${dir(id)}/cgroup.kill`, '1').catch(() => killInside(`${dir(id)}/cgroup.procs`))
      await removeGroup(dir(id))
    },
    async close() {
      await rmdir(`${root}/${parent}`).catch(() => {})
    },
  }
}

function cpuQuotaUs(limits: Limits): number {
  // The kernel refuses a quota below one millisecond.
  return Math.max(1000, Math.round(limits.cpuCores * cpuPeriodUs))
}

async function waitFor(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const late = Date.now() + freezeDeadlineMs
  while (!(await isSo())) {
    if (Date.now() > late) throw new WarrenError('timeout', 'the kernel did not stop the processes of the sandbox')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

function killInside(procsFile: string): void {
  for (const pid of read(procsFile)?.split('\n') ?? []) {
    if (pid === '') continue
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // Already gone.
    }
  }
}

async function removeGroup(dir: string): Promise<void> {
  // EBUSY while there are groups in it, and right after the last exit: the kernel lets go a moment later.
  for (let attempt = 0; attempt < 40; attempt++) {
    try {
      await rmdir(dir)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return
      for (const child of await folders(dir)) await removeGroup(`${dir}/${child}`)
      killInside(`${dir}/cgroup.procs`)
      await new Promise((resolve) => setTimeout(resolve, Math.min(2 ** attempt, 50)))
    }
  }
}

async function folders(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if (isOutOfResources(error)) throw error
    return []
  }
}

/** The kernel gives each group a number that no other has until the host starts anew. */
function numberOf(dir: string): string {
  return String(statSync(dir, { bigint: true, throwIfNoEntry: false })?.ino ?? '')
}

/** At once: the kernel answers from memory, and a thread that waits for it would cost ten times as much. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (isOutOfResources(error)) throw error
    return undefined
  }
}

/** The number after `key` in a file of `key value` lines; 0 when absent. */
function keyed(text: string | undefined, key: string): number {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`${key} `))
  return Number(line?.slice(key.length + 1) ?? 0)
}
