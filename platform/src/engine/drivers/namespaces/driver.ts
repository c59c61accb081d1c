import { writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
import { systemPath } from '../../../lib/system-path.ts'
import { isVersionAtLeast } from '../../../lib/version.ts'
import {
  type Driver,
  type InstanceDir,
  type InstanceSpec,
  type SnapshotSource,
  type SoftLimit,
  snapshotParts,
} from '../../driver.ts'
import { type Host, hostUid, maxSlots } from '../../host/host.ts'
import type { KeeperPlan } from '../../host/keeper.ts'
import { launchKept, noFreezer, recoverKept, sweepKept } from '../../host/keeper-instance.ts'
import { rootOptions } from '../../host/root-options.ts'
import { bubblewrap } from './bubblewrap.ts'
import { forbiddingSwitches } from './kernel-switches.ts'
import { type Examined, gateFd, type NamespaceTool, seccompFd } from './namespace-tool.ts'
import { seccompProgram } from './seccomp.ts'
import { unshare } from './unshare.ts'

const startDeadlineMs = 10_000
/** The one uid there is inside. */
const uidInside = 1000

/**
 * Namespaces of an unprivileged user, no setuid program needed: made by bubblewrap, else by util-linux. Inside there is
 * one uid, 1000, and no root. Started by root it first becomes a host uid of its own, for the tools map whoever starts them.
 */
export function namespacesDriver(host: Host, tools: readonly NamespaceTool[] = [bubblewrap, unshare]): Driver {
  const { cgroups } = host
  const disk = host.root ? host.disk : 'tmpfs'
  const limitsProcesses = cgroups !== undefined || countsProcessesPerNamespace()
  const unenforced: SoftLimit[] = [
    ...(cgroups ? [] : (['cpuCores', 'memoryMb'] as const)),
    ...(limitsProcesses ? [] : (['maxProcesses'] as const)),
  ]
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({
    spec,
    dir,
    cgroups,
    disk,
    unenforced,
    defaultUser: 'user',
  })
  const filter = seccompProgram()
  let chosen: NamespaceTool | undefined

  return {
    name: 'namespaces',
    isolation: 'namespaces',
    idleMemoryMb: 1,
    joinsNetwork: true,
    get mountsVolumes() {
      return host.root || chosen === bubblewrap
    },

    async examine(): Promise<Examined> {
      const examined = await examineTools(tools, host)
      if (!examined.usable) return examined
      chosen = examined.tool
      const lack = unenforced.length > 0 ? ` without control groups (nothing keeps ${unenforced.join(', ')})` : ''
      return { usable: true, description: `${examined.description}${lack}` }
    },

    refuseLayers: () =>
      host.root
        ? undefined
        : 'without root, files of several owners cannot be shown to a sandbox: start Warren as root',

    capabilities: () => ({
      pause: cgroups ? { memory: 'resident' } : { absent: noFreezer },
      snapshot: !cgroups
        ? { absent: noFreezer }
        : disk === 'loop'
          ? { keeps: 'files' }
          : { absent: 'the files of a sandbox are in memory here: an image of a disk needs root and loop devices' },
    }),

    create: async (spec, dir, signal, hold) => launchKept(known(spec, dir), await plan(spec, dir), signal, hold),
    restore: async (spec, dir, source, signal) =>
      launchKept(
        { ...known(spec, dir), remaining: source.kept ?? [snapshotParts.disk] },
        await plan(spec, dir, source),
        signal,
      ),
    recover: (spec, dir, remaining) => recoverKept({ ...known(spec, dir), remaining }),
    sweep: (spec, dir, remaining) => sweepKept({ ...known(spec, dir), remaining }),
  }

  async function plan(spec: InstanceSpec, dir: InstanceDir, from?: SnapshotSource): Promise<KeeperPlan> {
    if (!filter || !chosen) throw new Error('examine() said no')
    const { maxProcesses, maxOpenFiles } = spec.limits
    const uid = hostUid(spec.slot) + uidInside
    await step('filter.write', spec.id, () => writeFile(`${dir.path}/seccomp.bpf`, filter))
    const { argv, open, gated } = await chosen.plan(spec, {
      root: { path: host.root ? host.mountPoint : `${dir.path}/rootfs`, prepared: host.root },
      guestBinary: spec.rootfs.agent ?? host.guestBinary,
      agentOptions: [
        ...['--listen-fd', '3'],
        ...(cgroups || !limitsProcesses ? [] : ['--max-processes', String(maxProcesses)]),
      ],
    })
    await cgroups?.create(spec.id, spec.limits)
    return {
      launcher: host.launcher,
      options: [
        ...(host.root ? await rootOptions(host, spec, disk, from) : ['--disk', 'none']),
        ...(host.root ? spec.rootfs.readOnly.flatMap((path) => ['--bind', `${path}:${path.slice(1)}`]) : []),
        ...['--rlimit', `nofile=${maxOpenFiles}`, '--rlimit', 'core=0'],
        ...(cgroups?.joinFiles(spec.id) ?? []).flatMap((file) => ['--cgroup', file]),
        ...(spec.network ? ['--netns', spec.network.netns] : []),
        ...(host.root ? ['--setid', `${uid}:${uid}`] : []),
        ...['--open', `${seccompFd}:${dir.path}/seccomp.bpf`],
        ...(gated ? ['--gate', String(gateFd)] : []),
        ...open.flatMap(([fd, path]) => ['--open', `${fd}:${path}`]),
      ],
      argv,
      deadlineMs: startDeadlineMs,
    }
  }
}

/** The first that works here. */
async function examineTools(
  tools: readonly NamespaceTool[],
  host: Host,
): Promise<{ usable: true; description: string; tool: NamespaceTool } | { usable: false; reason: string }> {
  if (!seccompProgram())
    return { usable: false, reason: `there is no system call filter for ${process.arch} processors yet` }
  const uid = hostUid(maxSlots - 1) + uidInside
  const identity = host.root ? { uid, gid: uid } : {}
  // What the launcher of keepers has: a tool elsewhere is of no use to them.
  const env = { PATH: systemPath }
  const reasons: string[] = []
  for (const tool of tools) {
    const examined = await tool.examine((argv) => runCommand(argv, { timeoutMs: 5000, cwd: '/', env, ...identity }))
    if (examined.usable) return { ...examined, tool }
    reasons.push(examined.reason)
  }
  return { usable: false, reason: [await forbiddingSwitches(), ...reasons].filter(Boolean).join('; ') }
}

/**
 * Linux 5.14 counts processes against RLIMIT_NPROC per user namespace, if the limit is set inside. Earlier ones count
 * all of the user's, so that one sandbox would take the place of all others and of the platform itself.
 */
function countsProcessesPerNamespace(): boolean {
  return isVersionAtLeast(release(), [5, 14])
}
