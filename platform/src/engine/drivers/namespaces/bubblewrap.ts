import type { InstanceSpec } from '../../driver.ts'
import { rootMountPoint } from '../../host/host.ts'

/** Descriptor on which bubblewrap finds the system call filter. */
export const seccompFd = 4

interface BubblewrapOptions {
  /** The keeper has mounted a size-limited root, guest agent included. Else bubblewrap makes one in memory. */
  prepared: boolean
  guestBinary: string
}

/** The command line of bubblewrap for one instance: every namespace unshared, no way back into user namespaces. */
export function bubblewrap(spec: InstanceSpec, options: BubblewrapOptions): string[] {
  return [
    'bwrap',
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
    ...['--uid', '1000', '--gid', '1000', '--hostname', 'sandbox', '--clearenv', '--cap-drop', 'ALL'],
    ...['--seccomp', String(seccompFd)],
    ...(options.prepared ? ['--bind', rootMountPoint, '/'] : inMemoryRoot(spec, options.guestBinary)),
    ...spec.rootfs.readOnly.flatMap((path) => ['--ro-bind', path, path]),
    ...['--proc', '/proc', '--dev', '/dev', '--size', String(64 * 1024 * 1024), '--tmpfs', '/dev/shm'],
    ...['--chdir', '/', '--as-pid-1', '/.warren/guest', 'agent', '--listen-fd', '3'],
  ]
}

function inMemoryRoot(spec: InstanceSpec, guestBinary: string): string[] {
  const { skeleton } = spec.rootfs
  const empty = [
    '/home',
    '/media',
    '/mnt',
    '/opt',
    '/root',
    '/run',
    '/srv',
    '/var',
    '/var/cache',
    '/var/lib',
    '/var/log',
  ]
  return [
    ...['--size', String(spec.limits.diskMb * 1024 * 1024), '--tmpfs', '/'],
    ...empty.flatMap((path) => ['--dir', path]),
    ...['--perms', '1777', '--dir', '/tmp', '--perms', '1777', '--dir', '/var/tmp', '--dir', '/home/user'],
    ...['--ro-bind', `${skeleton}/etc`, '/etc'],
    ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap((name) => linkOf(spec, name)),
    ...['--symlink', '/run', '/var/run'],
    ...['--ro-bind', guestBinary, '/.warren/guest'],
  ]
}

/** On hosts with a merged /usr these are links into it; on others the directories themselves are shown. */
function linkOf(spec: InstanceSpec, name: string): string[] {
  return spec.rootfs.readOnly.includes(`/${name}`) ? [] : ['--symlink', `usr/${name}`, `/${name}`]
}
