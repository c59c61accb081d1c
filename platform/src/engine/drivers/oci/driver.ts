import { writeFile } from 'node:fs/promises'
import { runCommand } from '../../../lib/run-command.ts'
import type { Driver, DriverInstance, InstanceDir, InstanceSpec } from '../../driver.ts'
import { type Host, hostUid } from '../../host/host.ts'
import { launchKept, recoverKept } from '../../host/keeper-instance.ts'
import { rootOptions } from '../../host/root-options.ts'
import { bundle } from './bundle.ts'

const startDeadlineMs = 20_000

/** OCI runtimes behind one bundle: a container in a user namespace of its own, hardened as ARCHITECTURE.md says. */
export function ociDriver(host: Host): Driver {
  const { cgroups } = host
  const known = (spec: InstanceSpec, dir: InstanceDir) => ({
    ...{ spec, dir, cgroups, disk: host.disk },
    ...{ unenforced: [], defaultUser: 'user' },
  })
  return {
    name: 'oci/runc',
    isolation: 'container',

    async examine() {
      if (!host.root)
        return { usable: false, reason: 'needs root; as an ordinary user the driver "namespaces" is used' }
      const version = await runCommand(['runc', '--version'], { timeoutMs: 5000 })
      if (!version.ok) return { usable: false, reason: `runc ${version.failure}; apt-get install runc` }
      if (!cgroups)
        return { usable: false, reason: 'control groups cannot be made: /sys/fs/cgroup is read-only or absent' }
      return { usable: true, description: version.stdout.split('\n', 1)[0] ?? 'runc' }
    },

    async create(spec, dir, signal): Promise<DriverInstance> {
      if (!cgroups) throw new Error('examine() said no')
      cgroups.expectJoin()
      const place = { rootPath: host.mountPoint, hostUid: hostUid(spec.slot), cgroupsPath: cgroups.path(spec.id) }
      await writeFile(`${dir.path}/config.json`, JSON.stringify(bundle(spec, place)), { mode: 0o600 })
      const plan = {
        launcher: host.launcher,
        options: [...(await rootOptions(host, spec, host.disk)), '--detached', '--pid-file', 'init.pid'],
        argv: [
          'runc',
          '--root',
          `${dir.path}/runc`,
          'run',
          '-d',
          '--preserve-fds',
          '1',
          '--bundle',
          dir.path,
          '--pid-file',
          `${dir.path}/init.pid`,
          spec.id,
        ],
        deadlineMs: startDeadlineMs,
      }
      return launchKept(known(spec, dir), plan, signal)
    },

    recover: (spec, dir) => recoverKept(known(spec, dir)),
  }
}
