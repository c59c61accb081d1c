import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../../errors.ts'
import type { NetworkPlace } from '../../driver.ts'
import { findTool, type Host } from '../../host/host.ts'
import type { Attach } from '../../host/keeper-instance.ts'
import { choosePlatform, distrustKvm, platformOf } from './gvisor-platform.ts'
import { runscCheckpoint } from './runsc-checkpoint.ts'
import type { OciRuntime } from './runtime.ts'

/** open(2): a reference to the file itself, of whatever kind, without its content. */
const O_PATH = 0o10000000
/** Where the agent listens, below the sandbox's root: gVisor hands no listening socket of the host on to a program. */
const agentSocket = '/.warren/agent.sock'
const listenDeadlineMs = 10_000
/** What gVisor takes for itself, on top of what its programs may, MiB. */
const kernelMemoryMb = 64

/** In the instance's folder: where it writes the number of its kernel's process. */
const pidFile = 'init.pid'

/** What we tell a guest agent that has no socket; in the sandbox's folder it is `host`. */
const hostFolder = '/.warren/host'

/** gVisor: a kernel in user space between the program and the host's. */
export const runsc: OciRuntime = {
  name: 'oci/runsc',
  isolation: 'userspace-kernel',
  idleMemoryMb: 20,
  hint: '`npm start` fetches it for root on Debian and Ubuntu; else install gVisor (package runsc)',
  examine: (run, host) => run([program(host), '--version']),
  async settle(host) {
    await choosePlatform(host, program(host))
    return platformOf(host)
  },
  failed: distrustKvm,
  ownFolders: ['/tmp'],
  ownSysfs: true,
  // Where nobody but us writes: what appears there is seen inside at once, unlike changes of the root from outside.
  shownFolders: [hostFolder],
  hidesBootId: true,
  // gVisor counts the processes itself: a host process stands for none of them in particular.
  agent: ({ limits }) => ['--listen', agentSocket, '--max-processes', String(limits.maxProcesses)],
  groupLimits: (limits) => ({
    ...limits,
    memoryMb: limits.memoryMb + kernelMemoryMb,
    maxProcesses: 4 * limits.maxProcesses + 256,
  }),
  plan({ id, network, limits }, { path }, host, saved) {
    const command = runscCommand(host, path, network)
    const restore = saved && ['restore', '--image-path', saved.memory]
    const begin = saved?.inTwo ? [...command, ...restore!, '--detach', '--bundle', path, id] : undefined
    const options = [
      ...(host.cgroups?.joinFiles(id) ?? []).flatMap((file) => ['--cgroup', file]),
      // It takes a namespace that has these settings for the host's own, and refuses; from Linux 6.15 on all have them.
      ...(network ? ['--hide', '/proc/sys/net/core'] : []),
      ...['--bind', `${path}/host:${hostFolder.slice(1)}`],
      // Of a group that it does not know it cannot tell its programs the limit, and V8 makes its heap as large as the host allows.
      ...['--shown-memory-mb', String(limits.memoryMb)],
    ]
    if (!begin) return { options, argv: [...command, ...(restore ?? ['run']), '--bundle', path, id] }
    // Each of its commands locks this first. Started early and held up there, the second one has its own start behind it.
    const lock = `${path}/runsc/${id}_sandbox:${id}.lock`
    const inTwo = ['--detached', '--pid-file', pidFile, '--begin-lock', lock]
    return {
      options: [...options, ...inTwo, ...begin.flatMap((word) => ['--begin', word])],
      argv: [...command, 'create', '--pid-file', `${path}/${pidFile}`, '--bundle', path, id],
    }
  },
  checkpoint: (spec, dir, host) => runscCheckpoint(spec.id, dir, runscCommand(host, dir.path, spec.network)),
  attach: (host) => (keeperPid, signal) => openAgentSocket(keeperPid, host, signal),
}

/** Its absolute path, or its name for an error that says that it is not there. */
function program(host: Host): string {
  return findTool(host, 'runsc') ?? 'runsc'
}

/** The program with what all of its commands are told; `path` is the instance's folder. */
function runscCommand(host: Host, path: string, network: NetworkPlace | undefined): [string, ...string[]] {
  return [
    ...([program(host), '--root', `${path}/runsc`, '--platform', platformOf(host)] as const),
    // In a group that the runtime removed itself, nobody could see why a sandbox ended.
    ...['--ignore-cgroups', '--network', network ? 'sandbox' : 'none', '--host-uds', 'create', '--overlay2', 'none'],
    // Else nothing is saved while a connection is open.
    '--net-disconnect-ok',
  ]
}

/**
 * Refers to the agent's socket in the root that the keeper has mounted in its own mount namespace. The descriptor is the
 * inode itself: what is put at its path later is not connected to. After a restart the path may lead anywhere, so what is
 * found must lie on the sandbox's own disk.
 */
async function openAgentSocket(keeperPid: number, host: Host, signal: AbortSignal): ReturnType<Attach> {
  const root = `/proc/${keeperPid}/root${host.mountPoint}`
  const late = AbortSignal.any([signal, AbortSignal.timeout(listenDeadlineMs)])
  for (;;) {
    try {
      const fd = openSync(`${root}${agentSocket}`, O_PATH | constants.O_NOFOLLOW)
      const found = fstatSync(fd)
      const attached = { agentSocket: `/proc/self/fd/${fd}`, release: () => closeSync(fd) }
      const isOwn = found.isSocket() && found.dev === statSync(root).dev
      // It is there a moment before it listens.
      if (isOwn && (await accepts(attached.agentSocket))) return attached
      attached.release()
      if (!isOwn) throw new WarrenError('unavailable', 'the socket of the guest agent has been replaced from inside')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    if (late.aborted) throw new WarrenError('timeout', 'the guest agent does not listen')
    await sleep(2)
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
