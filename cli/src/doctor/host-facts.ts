import { constants, existsSync, readFileSync } from 'node:fs'
import { access, open, statfs } from 'node:fs/promises'
import { availableParallelism, loadavg, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { runCommand } from '../../../platform/src/lib/run-command.ts'
import { shortSize } from '../output/quantity.ts'
import { warrenHome } from '../server.ts'

/** One thing about this machine. `ok` is false where it takes something away, and `detail` says what. */
export interface HostFact {
  name: string
  ok: boolean
  detail: string
}

/** What of this machine decides which runtimes work and how much fits. */
export async function hostFacts(): Promise<HostFact[]> {
  return [
    fact('kernel', true, `${release()} ${process.arch}`),
    user(),
    fact(
      'processors',
      true,
      `${availableParallelism()}, load ${loadavg()
        .map((load) => load.toFixed(2))
        .join(' ')}`,
    ),
    memory(),
    cgroups(),
    ...(await Promise.all([
      namespaces(),
      device('KVM', '/dev/kvm', 'no microVMs; they are not in this release anyway'),
    ])),
    await device('TUN', '/dev/net/tun', 'no network of its own for a sandbox'),
    await device('loop devices', '/dev/loop-control', 'disk limits use memory instead'),
    await disk(),
    ...limits(),
    ...(await Promise.all(['runc', 'bwrap', 'cargo', 'python3', 'node', 'git'].map(tool))),
  ]
}

function fact(name: string, ok: boolean, detail: string): HostFact {
  return { name, ok, detail }
}

function user(): HostFact {
  const uid = process.getuid?.()
  return uid === 0
    ? fact('user', true, 'root')
    : fact('user', true, `uid ${uid}; only root can use the stronger runtimes and set hard limits`)
}

function memory(): HostFact {
  const available = Number(/MemAvailable:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1] ?? 0) * 1024
  const enough = available > 512 * 1024 * 1024
  return fact('memory', enough, `${shortSize(available)} of ${shortSize(totalmem())} available`)
}

function cgroups(): HostFact {
  if (process.getuid?.() !== 0)
    return fact('cgroups', false, 'this user may make none: no limits of memory and processor; root may')
  const unified = read('/sys/fs/cgroup/cgroup.controllers').trim()
  const wanted = ['memory', 'cpu', 'pids']
  if (unified) {
    const missing = wanted.filter((name) => !unified.split(' ').includes(name))
    return fact('cgroups', missing.length === 0, `version 2: ${unified}${lacking(missing)}`)
  }
  const found = wanted.filter((name) => existsSync(`/sys/fs/cgroup/${name}`))
  const missing = wanted.filter((name) => !found.includes(name))
  const hybrid = existsSync('/sys/fs/cgroup/unified') ? ', hybrid' : ''
  if (found.length === 0)
    return fact('cgroups', false, 'none mounted at /sys/fs/cgroup: no limits of memory, processor and processes')
  return fact('cgroups', missing.length === 0, `version 1${hybrid}: ${found.join(' ')}${lacking(missing)}`)
}

function lacking(missing: string[]): string {
  return missing.length === 0 ? '' : `; missing: ${missing.join(' ')}`
}

/** By making them, for a setting or a security module may forbid what the kernel can. */
async function namespaces(): Promise<HostFact> {
  const kinds = ['user', 'pid', 'mount', 'net', 'ipc', 'uts', 'cgroup']
  const results = await Promise.all(
    kinds.map(async (kind) => {
      const flags =
        kind === 'user' ? ['--user'] : ['--user', '--map-root-user', `--${kind}`, ...(kind === 'pid' ? ['--fork'] : [])]
      return runCommand(['unshare', ...flags, 'true'], { timeoutMs: 3000 })
    }),
  )
  const failed = kinds.filter((_, index) => !results[index]!.ok)
  if (failed.length === 0) return fact('namespaces', true, `${kinds.join(' ')}, also for an ordinary user's processes`)
  return fact('namespaces', false, `cannot be made by this user: ${failed.join(' ')}`)
}

async function device(name: string, path: string, without: string): Promise<HostFact> {
  const state = await access(path, constants.R_OK | constants.W_OK)
    .then(async () => {
      const handle = await open(path, 'r+')
      await handle.close()
      return undefined
    })
    .catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? 'is not there' : `cannot be opened (${error.code})`,
    )
  return state === undefined
    ? fact(name, true, `${path} can be opened`)
    : fact(name, false, `${path} ${state}: ${without}`)
}

async function disk(): Promise<HostFact> {
  let path = warrenHome()
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path)
  const { bavail, blocks, bsize, ffree } = await statfs(path)
  const free = bavail * bsize
  const detail = `${shortSize(free)} of ${shortSize(blocks * bsize)} free for ${warrenHome()}, ${ffree} inodes`
  return fact('disk', free > 1024 ** 3, detail)
}

function limits(): HostFact[] {
  const line = (name: string) => new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(read('/proc/self/limits'))
  const [, files = '?', filesMost = '?'] = line('Max open files') ?? []
  const [, processes = '?'] = line('Max processes') ?? []
  const threads = read('/proc/sys/kernel/threads-max').trim()
  const pids = read('/proc/sys/kernel/pid_max').trim()
  return [
    fact('open files', Number(filesMost) >= 4096 || filesMost === 'unlimited', `${files}, at most ${filesMost}`),
    fact('processes', true, `${processes} of this user; the kernel allows ${pids} pids and ${threads} threads`),
  ]
}

async function tool(name: string): Promise<HostFact> {
  const { ok, stdout } = await runCommand([name, '--version'], { timeoutMs: 5000 })
  return fact(name, ok, ok ? (stdout.trim().split('\n')[0] ?? '') : 'is not installed')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
