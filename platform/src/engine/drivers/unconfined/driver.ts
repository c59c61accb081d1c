import { mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { step } from '../../../lib/step.ts'
import { type Driver, type DriverInstance, type InstanceDir, type InstanceSpec, softLimits } from '../../driver.ts'
import type { Host } from '../../host/host.ts'
import { launchKept, recoverKept } from '../../host/keeper-instance.ts'

/**
 * No isolation at all: processes of this user on this host. For tests and for code that is trusted as the operator is.
 * Only a request that names it gets it, and only where the operator allows it (WARREN_ALLOW_UNCONFINED).
 */
export function unconfinedDriver(host: Host, allowed: boolean): Driver {
  const { cgroups } = host
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({
    ...{ spec, dir, cgroups, disk: 'none' as const, unenforced: cgroups ? [] : [...softLimits] },
    defaultUser: userInfo().username,
  })
  return {
    name: 'unconfined',
    isolation: 'none',
    idleMemoryMb: 1,
    onlyByName: true,

    async examine() {
      if (!allowed)
        return { usable: false, reason: 'the operator does not allow it (WARREN_ALLOW_UNCONFINED=yes would)' }
      return { usable: true, description: `runs as ${userInfo().username} on the host itself` }
    },

    capabilities: () => ({
      pause: cgroups ? { memory: 'resident' } : { absent: 'control groups cannot be made here' },
      snapshot: { absent: "its files are the host's own" },
    }),

    async create(spec, dir, signal, hold): Promise<DriverInstance> {
      await cgroups?.create(spec.id, spec.limits)
      await step('folder.make', spec.id, () => mkdir(`${dir.path}/home`, { recursive: true }))
      const plan = {
        launcher: host.launcher,
        options: [
          ...['--disk', 'none', '--rlimit', `nofile=${spec.limits.maxOpenFiles}`],
          ...(cgroups?.joinFiles(spec.id) ?? []).flatMap((file) => ['--cgroup', file]),
        ],
        argv: [host.guestBinary, 'agent', '--listen-fd', '3'],
        deadlineMs: 10_000,
      }
      return launchKept(known(spec, dir), plan, signal, hold)
    },

    recover: (spec, dir, remaining) => recoverKept({ ...known(spec, dir), remaining }),
  }
}
