import { readFileSync } from 'node:fs'
import { notThere, probing } from '../attempts.ts'
import type { Case } from '../case.ts'

const fileSystems = [
  ...['tmpfs', 'proc', 'sysfs', 'overlay', 'devpts', 'mqueue'],
  ...['cgroup', 'cgroup2', 'debugfs', 'tracefs', 'bpf', 'securityfs'],
]
const newCalls = ['fsopen', 'fspick', 'open_tree', 'move_mount', 'mount_setattr', 'pivot_root']
/** Which of the two a host has depends on its control groups. */
const releaseAgents = ['/sys/fs/cgroup/memory/release_agent', '/sys/fs/cgroup/cgroup.subtree_control']

/** Ways to see more of the host's files, or to change what is only shown. */
export const mounts: Case[] = [
  ...fileSystems.map((kind) =>
    probing(
      `mounts.mount_${kind}`,
      ({ hostPidNamespace }, _, scratch) => ['mount', kind, `${scratch}/m`, hostPidNamespace],
      {
        absent: [...notThere, 'EBUSY', 'EINVAL'],
        ownKernel: true,
      },
    ),
  ),
  probing('mounts.mount_as_new_user', (_world, _place, scratch) => ['mount-as-new-user', `${scratch}/m`], {
    ownKernel: true,
  }),
  probing(
    'mounts.cover_kernel_settings',
    ({ hostPidNamespace }, _, scratch) => ['bind', `${scratch}/m`, hostPidNamespace],
    {
      ownKernel: true,
    },
  ),
  ...['/usr', '/proc/sys', '/sys'].map((path) =>
    probing(
      `mounts.remount${path.replaceAll('/', '_')}`,
      ({ hostPidNamespace }) => ['remount', path, hostPidNamespace],
      {
        ownKernel: true,
      },
    ),
  ),
  ...['/proc', '/sys', '/dev'].map((path) =>
    probing(`mounts.unmount${path.replace('/', '_')}`, ({ hostPidNamespace }) => ['unmount', path, hostPidNamespace], {
      ownKernel: true,
    }),
  ),
  ...newCalls.map((name) => probing(`mounts.call_${name}`, ['call', name], { absent: notThere, ownKernel: true })),
  probing('mounts.release_agent_write', () => ['write', releaseAgents.find(exists) ?? releaseAgents[0]!], {
    absent: notThere,
  }),
  // Shown to every sandbox, and the host's own.
  probing('mounts.shared_programs_write', ['write', '/usr/lib/os-release']),
  probing('mounts.shared_certificates_write', ['write', '/etc/ssl/certs/ca-certificates.crt'], {
    absent: notThere,
  }),
  {
    id: 'mounts.agent_program_write',
    // By its own name it is busy, which would hide that it may be written to.
    run: async (place, { hostPidNamespace }) => {
      const cell = await place.main()
      // Root of a kernel of its own reaches its agent (docs/threat-model.md); nobody else may.
      const users = place.isolation === 'microvm' ? cell.users.filter((user) => user !== 'root') : cell.users
      const direct = await cell.probe(['write', '/.warren/guest'], users)
      return direct.open ? direct : cell.probe(['remount', '/.warren/guest', hostPidNamespace], users)
    },
    control: ({ onHost, untouchedFile }) => onHost(['write', untouchedFile]),
  },
]

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}
