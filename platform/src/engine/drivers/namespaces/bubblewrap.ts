import { existsSync } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isVersionAtLeast } from '../../../lib/version.ts'
import type { InstanceSpec, VolumePlace } from '../../driver.ts'
import { firstOwnFd, gateFd, type NamespaceTool, seccompFd, type ToolPlan } from './namespace-tool.ts'

/** The first with --disable-userns. */
const leastVersion = [0, 8] as const

/** bubblewrap: every namespace unshared, no way back into user namespaces. */
export const bubblewrap: NamespaceTool = {
  async examine(run) {
    const version = await run(['bwrap', '--version'])
    if (!version.ok) return { usable: false, reason: `bwrap ${version.failure} (sudo apt-get install bubblewrap)` }
    const description = version.stdout.trim()
    if (!isVersionAtLeast(description, leastVersion))
      return { usable: false, reason: `${description} is older than ${leastVersion.join('.')}` }
    const attempt = ['--unshare-all', '--unshare-user', '--disable-userns', '--ro-bind', '/', '/', '--proc', '/proc']
    const { ok, failure } = await run(['bwrap', ...attempt, '--dev', '/dev', 'true'])
    return ok ? { usable: true, description } : { usable: false, reason: `bwrap ${failure}` }
  },

  async plan(spec, { root, guestBinary, agentOptions }) {
    // For every mount that it makes, bubblewrap reads through all mounts of the host: what can be there already, is.
    const { options, open: opened } = root.prepared
      ? { options: ['--bind', root.path, '/'], open: [] }
      : await inMemoryRoot(spec, guestBinary)
    const bootIdFd = firstOwnFd + opened.length
    const open: ToolPlan['open'] = [...opened, [bootIdFd, '/proc/sys/kernel/random/uuid']]
    const argv = [
      'bwrap',
      ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
      ...(spec.network ? ['--share-net'] : []),
      ...['--uid', '1000', '--gid', '1000', '--hostname', 'sandbox', '--clearenv', '--cap-drop', 'ALL'],
      ...['--seccomp', String(seccompFd), '--block-fd', String(gateFd)],
      ...options,
      ...(root.prepared ? [] : spec.rootfs.readOnly.flatMap((path) => ['--ro-bind', path, path])),
      // In a prepared root they are already.
      ...(root.prepared ? [] : (spec.volumes ?? []).flatMap(bindOf)),
      // The settings of its own namespaces would be writable: whoever is inside owns those.
      ...['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', ...keyringsHidden()],
      // The kernel is the host's; what boots here has an id of its own.
      ...['--perms', '0444', '--ro-bind-data', String(bootIdFd), '/proc/sys/kernel/random/boot_id'],
      ...['--dev', '/dev', '--size', String(64 * 1024 * 1024), '--tmpfs', '/dev/shm'],
      // In memory and without a size of its own.
      ...['--remount-ro', '/dev'],
      ...['--chdir', '/', '--as-pid-1', '/.warren/guest', 'agent', ...agentOptions],
    ]
    return { argv, open, gated: true }
  },
}

function bindOf({ source, path, readOnly }: VolumePlace): string[] {
  return [readOnly ? '--ro-bind' : '--bind', source, path]
}

/** Started by an ordinary user, whoever is inside would see that user's keyrings. */
function keyringsHidden(): string[] {
  const paths = ['/proc/keys', '/proc/key-users'].filter((path) => existsSync(path))
  return paths.flatMap((path) => ['--ro-bind', '/dev/null', path])
}

/** The template's tree, made anew in memory. Its configuration is shown read-only: whoever is inside owns what is made. */
async function inMemoryRoot({ rootfs, limits }: InstanceSpec, guestBinary: string): Promise<Tree> {
  const { skeleton } = rootfs
  const tree = trees.get(skeleton) ?? (await copyOf(skeleton))
  trees.set(skeleton, tree)
  return {
    options: [
      ...['--size', String(limits.diskMb * 1024 * 1024), '--tmpfs', '/'],
      ...tree.options,
      ...['--ro-bind', join(skeleton, 'etc'), '/etc', '--ro-bind', guestBinary, '/.warren/guest'],
    ],
    open: tree.open,
  }
}

type Tree = { options: string[]; open: ToolPlan['open'] }

/** By skeleton, which never changes: each version of a template has its own. */
const trees = new Map<string, Tree>()

/** Options that make every folder, link and file below `skeleton` again. */
async function copyOf(skeleton: string): Promise<Tree> {
  const options: string[] = []
  const open: ToolPlan['open'] = []
  for (const path of await treeOf(skeleton)) {
    if (/^\/(etc|\.owners|\.warren)(\/|$)/.test(path)) continue
    const source = join(skeleton, path)
    const status = await lstat(source)
    const permissions = ['--perms', (status.mode & 0o7777).toString(8).padStart(4, '0')]
    if (status.isSymbolicLink()) options.push('--symlink', await readlink(source), path)
    else if (status.isDirectory()) options.push(...permissions, '--dir', path)
    else {
      const fd = firstOwnFd + open.length
      open.push([fd, source])
      options.push(...permissions, '--file', String(fd), path)
    }
  }
  return { options, open }
}

/** Every path below `folder`, as seen from there, parents before what is in them. */
async function treeOf(folder: string, below = '/'): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name)
    found.push(path, ...(entry.isDirectory() ? await treeOf(folder, path) : []))
  }
  return found
}
