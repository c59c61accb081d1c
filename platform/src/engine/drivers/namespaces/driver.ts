import { writeFile } from 'node:fs/promises'
import { WarrenError } from '../../../errors.ts'
import { runCommand } from '../../../lib/run-command.ts'
import type { Driver, DriverInstance, InstanceDir, InstanceSpec } from '../../driver.ts'
import { type Host, hostUid } from '../../host/host.ts'
import { launchKept, recoverKept } from '../../host/keeper-instance.ts'
import { rootOptions } from '../../host/root-options.ts'
import { bubblewrap, seccompFd } from './bubblewrap.ts'
import { seccompProgram } from './seccomp.ts'

const startDeadlineMs = 10_000
/** The one uid there is inside. */
const uidInside = 1000

/**
 * bubblewrap: namespaces of an unprivileged user, no setuid program needed. Inside there is one uid, 1000, and no root.
 * Started by root it first becomes a host uid of its own, for bubblewrap maps the uid that starts it.
 */
export function namespacesDriver(host: Host): Driver {
  const { cgroups } = host
  const disk = host.root ? host.disk : 'tmpfs'
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({ spec, dir, cgroups, disk, defaultUser: 'user' })
  return {
    name: 'namespaces',
    isolation: 'namespaces',

    async examine() {
      const version = await runCommand(['bwrap', '--version'], { timeoutMs: 5000 })
      if (!version.ok) return { usable: false, reason: `bwrap ${version.failure}; apt-get install bubblewrap` }
      return { usable: true, description: version.stdout.trim() }
    },

    async create(spec, dir, signal): Promise<DriverInstance> {
      await cgroups?.create(spec.id, spec.limits)
      const filter = seccompProgram()
      if (!filter)
        throw new WarrenError('unavailable', `there is no system call filter for ${process.arch} processors yet`)
      await writeFile(`${dir.path}/seccomp.bpf`, filter)
      const uid = hostUid(spec.slot) + uidInside
      const { maxProcesses, maxOpenFiles } = spec.limits
      const plan = {
        guestBinary: host.guestBinary,
        options: [
          ...(host.root ? await rootOptions(host, spec, disk) : ['--disk', 'none']),
          ...['--rlimit', `nofile=${maxOpenFiles}`, '--rlimit', 'core=0'],
          ...(cgroups ? [] : ['--rlimit', `nproc=${maxProcesses}`]),
          ...(cgroups?.procsFiles(spec.id) ?? []).flatMap((file) => ['--cgroup-procs', file]),
          ...(host.root ? ['--setid', `${uid}:${uid}`] : []),
          ...['--open', `${seccompFd}:${dir.path}/seccomp.bpf`],
        ],
        argv: bubblewrap(spec, { prepared: host.root, guestBinary: host.guestBinary }),
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
        deadlineMs: startDeadlineMs,
      }
      return launchKept(known(spec, dir), plan, signal)
    },

    recover: (spec, dir) => recoverKept(known(spec, dir)),
  }
}
