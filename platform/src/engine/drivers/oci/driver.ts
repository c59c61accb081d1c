import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
import {
  type Capabilities,
  type Driver,
  type DriverInstance,
  type Hold,
  type InstanceDir,
  type InstanceSpec,
  type Limits,
  type SnapshotSource,
  snapshotParts,
} from '../../driver.ts'
import type { Cgroups } from '../../host/cgroups.ts'
import { type Host, hostUid } from '../../host/host.ts'
import type { KeeperPlan } from '../../host/keeper.ts'
import { launchKept, recoverKept, sweepKept } from '../../host/keeper-instance.ts'
import { rootOptions } from '../../host/root-options.ts'
import { bootIdName, giveBootId } from './boot-id.ts'
import { bundle } from './bundle.ts'
import { allowListening } from './runsc-checkpoint.ts'
import type { OciRuntime } from './runtime.ts'

const startDeadlineMs = 20_000

/** An OCI runtime with our bundle: a container in a user namespace of its own, hardened as ARCHITECTURE.md says. */
export function ociDriver(host: Host, runtime: OciRuntime): Driver {
  // A runtime that counts processes itself was told their limit at the start.
  const { groupLimits } = runtime
  const cgroups = host.cgroups && groupLimits ? withLimits(host.cgroups, groupLimits) : host.cgroups
  const attach = runtime.attach?.(host)
  let version = ''
  let withoutMemory: string | undefined
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({
    ...{ spec, dir, cgroups, disk: host.disk },
    ...{ unenforced: [], defaultUser: 'user', attach },
    checkpoint: runtime.checkpoint?.(spec, dir, host),
  })
  return {
    name: runtime.name,
    isolation: runtime.isolation,
    idleMemoryMb: runtime.idleMemoryMb,
    limitsAreFixed: groupLimits !== undefined,
    joinsNetwork: true,
    mountsVolumes: true,

    ...(runtime.checkpoint && { holdsWritesBack: true as const }),
    ...(runtime.takesDevices && { refuseGpu: () => ('missing' in host.gpu ? host.gpu.missing : undefined) }),

    refuseLayers: () => (host.root ? undefined : 'needs root'),

    async examine() {
      if (!host.root)
        return { usable: false, reason: 'needs root; as an ordinary user the driver "namespaces" is used' }
      const found = await runtime.examine((argv) => runCommand(argv, { timeoutMs: 5000 }), host)
      if (!found.ok) return { usable: false, reason: `${runtime.name.slice(4)} ${found.failure}; ${runtime.hint}` }
      if (!cgroups)
        return { usable: false, reason: 'control groups cannot be made: /sys/fs/cgroup is read-only or absent' }
      version = found.stdout.split('\n', 1)[0] ?? runtime.name
      const way = await runtime.settle?.(host)
      withoutMemory ??= await runtime.whyNoMemory?.(host)
      return { usable: true, description: way ? `${version}, ${way}` : version }
    },
    memoryFormat: () => `${version} ${process.arch}`,

    capabilities: () => capabilitiesOf(host, runtime, withoutMemory),

    async create(spec, dir, signal, hold): Promise<DriverInstance> {
      return launch(known(spec, dir), await plan(spec, dir, { hold }), signal, hold)
    },

    async restore(spec, dir, source, signal, hold): Promise<DriverInstance> {
      const kept = { ...known(spec, dir), remaining: source.kept ?? [snapshotParts.disk] }
      return launch(kept, await plan(spec, dir, { from: source, hold }), signal, hold)
    },

    recover: (spec, dir, remaining) => recoverKept({ ...known(spec, dir), remaining }),
    sweep: (spec, dir, remaining) => sweepKept({ ...known(spec, dir), remaining }),
  }

  function launch(...[kept, plan, signal, hold]: Parameters<typeof launchKept>): Promise<DriverInstance> {
    return launchKept(kept, plan, signal, hold).catch(async (error) => {
      if (!signal.aborted) await runtime.failed?.(host)
      throw error
    })
  }

  async function plan(
    spec: InstanceSpec,
    dir: InstanceDir,
    { from, hold }: { from?: SnapshotSource; hold?: Hold | undefined },
  ): Promise<KeeperPlan> {
    if (!cgroups) throw new Error('examine() said no')
    if (groupLimits) await cgroups.create(spec.id, spec.limits)
    else if (hold) void hold.released.then(() => cgroups.expectJoin())
    else cgroups.expectJoin()
    const bootIdFile = await step('bundle.give_boot_id', spec.id, async () => {
      // Also users inside may look into it, whatever mask we run with.
      await mkdir(`${dir.path}/host`, { recursive: true })
      await chmod(`${dir.path}/host`, 0o755)
      const isShown = runtime.hidesBootId && (await giveBootId(dir, from))
      return isShown ? `${runtime.shownFolders[0]}/${bootIdName}` : undefined
    })
    const place = {
      rootPath: host.mountPoint,
      hostUid: hostUid(spec.slot),
      cgroupsPath: cgroups.path(spec.id),
      agent: runtime.agent(spec),
      ownFolders: [...runtime.ownFolders, ...(spec.volumes ?? []).map(({ path }) => path)],
      shownFolders: runtime.shownFolders,
      sysfsIsThere: spec.network !== undefined && !runtime.ownSysfs,
      needsBootId: runtime.isolation === 'container',
      bootIdFile,
      gpu: spec.gpu && 'edits' in host.gpu ? host.gpu.edits : undefined,
    }
    const config = JSON.stringify(bundle(spec, place))
    await step('bundle.write', spec.id, () => writeFile(`${dir.path}/config.json`, config, { mode: 0o600 }))
    const { token } = from ?? {}
    if (token !== undefined) await step('snapshot.go_on', spec.id, () => allowListening(dir, token))
    const memory = from === undefined || token === undefined ? undefined : `${from.path}/${snapshotParts.memory}`
    const saved = memory === undefined ? undefined : { memory, inTwo: hold !== undefined }
    const { options, argv } = runtime.plan(spec, dir, host, saved)
    return {
      launcher: host.launcher,
      options: [
        ...(await rootOptions(host, spec, host.disk, from)),
        ...(spec.network ? ['--netns', spec.network.netns] : []),
        ...(place.sysfsIsThere ? ['--sysfs'] : []),
        ...options,
      ],
      argv,
      deadlineMs: startDeadlineMs,
    }
  }
}

function capabilitiesOf({ disk }: Host, { checkpoint }: OciRuntime, withoutMemory: string | undefined): Capabilities {
  const files = { keeps: 'files' as const, ...(withoutMemory !== undefined && { withoutMemory }) }
  const onDisk = disk === 'loop'
  return {
    pause: { memory: checkpoint && onDisk ? 'saved' : 'resident' },
    snapshot: onDisk
      ? checkpoint
        ? { keeps: 'memory' }
        : files
      : {
          absent: 'the files of a sandbox are in memory here: the host offers no loop devices, or mkfs.ext4 is missing',
        },
  }
}

function withLimits(cgroups: Cgroups, groupLimits: (limits: Limits) => Limits): Cgroups {
  return {
    ...cgroups,
    create: (id, limits) => cgroups.create(id, groupLimits(limits)),
    setLimits: (id, limits) => cgroups.setLimits(id, groupLimits(limits)),
  }
}
