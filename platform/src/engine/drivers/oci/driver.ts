import { writeFile } from 'node:fs/promises'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
import type { Driver, DriverInstance, InstanceDir, InstanceSpec, Limits } from '../../driver.ts'
import type { Cgroups } from '../../host/cgroups.ts'
import { type Host, hostUid } from '../../host/host.ts'
import { launchKept, recoverKept } from '../../host/keeper-instance.ts'
import { rootOptions } from '../../host/root-options.ts'
import { bundle } from './bundle.ts'
import type { OciRuntime } from './runtime.ts'

const startDeadlineMs = 20_000

/** An OCI runtime with our bundle: a container in a user namespace of its own, hardened as ARCHITECTURE.md says. */
export function ociDriver(host: Host, runtime: OciRuntime): Driver {
  // A runtime that counts processes itself was told their limit at the start.
  const { groupLimits } = runtime
  const cgroups = host.cgroups && groupLimits ? withLimits(host.cgroups, groupLimits) : host.cgroups
  const attach = runtime.attach?.(host)
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({
    ...{ spec, dir, cgroups, disk: host.disk },
    ...{ unenforced: [], defaultUser: 'user', attach },
  })
  return {
    name: runtime.name,
    isolation: runtime.isolation,
    idleMemoryMb: runtime.idleMemoryMb,
    limitsAreFixed: groupLimits !== undefined,
    joinsNetwork: true,

    ...(runtime.takesDevices && { refuseGpu: () => ('missing' in host.gpu ? host.gpu.missing : undefined) }),

    async examine() {
      if (!host.root)
        return { usable: false, reason: 'needs root; as an ordinary user the driver "namespaces" is used' }
      const version = await runtime.examine((argv) => runCommand(argv, { timeoutMs: 5000 }), host)
      if (!version.ok) return { usable: false, reason: `${runtime.name.slice(4)} ${version.failure}; ${runtime.hint}` }
      if (!cgroups)
        return { usable: false, reason: 'control groups cannot be made: /sys/fs/cgroup is read-only or absent' }
      const name = version.stdout.split('\n', 1)[0] ?? runtime.name
      const way = await runtime.settle?.(host)
      return { usable: true, description: way ? `${name}, ${way}` : name }
    },

    async create(spec, dir, signal, hold): Promise<DriverInstance> {
      if (!cgroups) throw new Error('examine() said no')
      if (groupLimits) await cgroups.create(spec.id, spec.limits)
      else if (hold) void hold.released.then(() => cgroups.expectJoin())
      else cgroups.expectJoin()
      const place = {
        rootPath: host.mountPoint,
        hostUid: hostUid(spec.slot),
        cgroupsPath: cgroups.path(spec.id),
        agent: runtime.agent(spec),
        ownFolders: runtime.ownFolders,
        sysfsIsThere: spec.network !== undefined && !runtime.ownSysfs,
        gpu: spec.gpu && 'edits' in host.gpu ? host.gpu.edits : undefined,
      }
      const config = JSON.stringify(bundle(spec, place))
      await step('bundle.write', spec.id, () => writeFile(`${dir.path}/config.json`, config, { mode: 0o600 }))
      const { options, argv } = runtime.plan(spec, dir, host)
      const plan = {
        launcher: host.launcher,
        options: [
          ...(await rootOptions(host, spec, host.disk)),
          ...(spec.network ? ['--netns', spec.network.netns] : []),
          ...(place.sysfsIsThere ? ['--sysfs'] : []),
          ...options,
        ],
        argv,
        deadlineMs: startDeadlineMs,
      }
      return launchKept(known(spec, dir), plan, signal, hold).catch(async (error) => {
        if (!signal.aborted) await runtime.failed?.(host)
        throw error
      })
    },

    recover: (spec, dir) => recoverKept(known(spec, dir)),
  }
}

function withLimits(cgroups: Cgroups, groupLimits: (limits: Limits) => Limits): Cgroups {
  return {
    ...cgroups,
    create: (id, limits) => cgroups.create(id, groupLimits(limits)),
    setLimits: (id, limits) => cgroups.setLimits(id, groupLimits(limits)),
  }
}
