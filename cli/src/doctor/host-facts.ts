import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs'
import { access, open, statfs } from 'node:fs/promises'
import { availableParallelism, loadavg, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { runCommand } from '../../../platform/src/lib/run-command.ts'
import { isVersionAtLeast } from '../../../platform/src/lib/version.ts'
import { text } from '../messages.ts'
import { shortSize } from '../output/quantity.ts'
import { warrenHome } from '../server.ts'
import { guestBinary } from './guest-binary.ts'

/** One thing about this machine. `ok` is false where it takes something away, and `detail` says what. */
export interface HostFact {
  /** A stable name in English; `text.fact` has it in the reader's language. */
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
      text.load(
        availableParallelism(),
        loadavg()
          .map((load) => load.toFixed(2))
          .join(' '),
      ),
    ),
    memory(),
    cgroups(),
    ...(await Promise.all([namespaces(), kvm()])),
    await device('TUN', '/dev/net/tun', text.withoutTun),
    await device('loop devices', '/dev/loop-control', text.withoutLoop),
    await disk(),
    ...limits(),
    ...(await Promise.all(['runc', 'bwrap', 'cargo'].map(tool))),
    ...(await Promise.all(['python3', 'node', 'git'].map(toolInSandbox))),
  ]
}

function fact(name: string, ok: boolean, detail: string): HostFact {
  return { name, ok, detail }
}

function user(): HostFact {
  const uid = process.getuid?.()
  return uid === 0 ? fact('user', true, 'root') : fact('user', true, text.userOrdinary(uid))
}

function memory(): HostFact {
  const available = Number(/MemAvailable:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1] ?? 0) * 1024
  const enough = available > 512 * 1024 * 1024
  return fact('memory', enough, text.memoryAvailable(shortSize(available), shortSize(totalmem())))
}

function cgroups(): HostFact {
  if (process.getuid?.() !== 0) return fact('cgroups', false, text.cgroupsNotAllowed)
  const unified = read('/sys/fs/cgroup/cgroup.controllers').trim()
  const wanted = ['memory', 'cpu', 'pids']
  if (unified) {
    const missing = wanted.filter((name) => !unified.split(' ').includes(name))
    return fact('cgroups', missing.length === 0, text.cgroupsFound('2', unified) + lacking(missing))
  }
  const found = wanted.filter((name) => existsSync(`/sys/fs/cgroup/${name}`))
  const missing = wanted.filter((name) => !found.includes(name))
  const hybrid = existsSync('/sys/fs/cgroup/unified') ? text.hybrid : ''
  if (found.length === 0) return fact('cgroups', false, text.cgroupsNone)
  return fact('cgroups', missing.length === 0, text.cgroupsFound(`1${hybrid}`, found.join(' ')) + lacking(missing))
}

function lacking(missing: string[]): string {
  return missing.length === 0 ? '' : text.missing(missing.join(' '))
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
  if (failed.length === 0) return fact('namespaces', true, text.namespacesAll(kinds.join(' ')))
  return fact('namespaces', false, text.namespacesFailed(failed.join(' ')))
}

/** By running a guest: it may be there, take every call and emulate every instruction. */
async function kvm(): Promise<HostFact> {
  const found = await device('KVM', '/dev/kvm', text.withoutKvm)
  if (!found.ok || !existsSync(guestBinary)) return found
  const probed = await runCommand([guestBinary, 'probe-kvm'], { timeoutMs: 10_000 })
  if (probed.ok) return fact('KVM', true, text.kvmRuns)
  return fact('KVM', false, `${probed.stderr.trim() || probed.failure}: ${text.withoutKvm}`)
}

async function device(name: string, path: string, without: string): Promise<HostFact> {
  try {
    await access(path, constants.R_OK | constants.W_OK)
    await (await open(path, 'r+')).close()
    return fact(name, true, text.deviceOpens(path))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const detail = code === 'ENOENT' ? text.deviceAbsent(path, without) : text.deviceRefused(path, code, without)
    return fact(name, false, detail)
  }
}

async function disk(): Promise<HostFact> {
  let path = warrenHome()
  while (!existsSync(path) && path !== dirname(path)) path = dirname(path)
  const { bavail, blocks, bsize, ffree } = await statfs(path)
  const free = bavail * bsize
  const detail = text.diskFree(shortSize(free), shortSize(blocks * bsize), warrenHome(), ffree)
  return fact('disk', free > 1024 ** 3, detail)
}

function limits(): HostFact[] {
  const line = (name: string) => new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(read('/proc/self/limits'))
  const [, files = '?', filesMost = '?'] = line('Max open files') ?? []
  const [, processes = '?'] = line('Max processes') ?? []
  const threads = read('/proc/sys/kernel/threads-max').trim()
  const pids = read('/proc/sys/kernel/pid_max').trim()
  return [
    fact('open files', Number(filesMost) >= 4096 || filesMost === 'unlimited', text.openFiles(files, filesMost)),
    fact('processes', true, text.processesAllowed(processes, pids, threads)),
  ]
}

async function tool(name: string): Promise<HostFact> {
  const { ok, stdout } = await runCommand([name, '--version'], { timeoutMs: 5000 })
  return fact(name, ok, ok ? firstLine(stdout) : text.notInstalled)
}

/** As a sandbox finds it: on its own search path, and only if its file lies below /usr, for that is all a sandbox has. */
async function toolInSandbox(name: string): Promise<HostFact> {
  const path = ['/usr/local/bin', '/usr/bin', '/bin'].map((folder) => `${folder}/${name}`).find(isBelowUsr)
  if (!path) return fact(name, false, text.notInSandbox)
  const { ok, stdout } = await runCommand([path, '--version'], { timeoutMs: 5000 })
  if (!ok) return fact(name, false, text.notInSandbox)
  const version = firstLine(stdout)
  return name === 'node' && !stripsTypes(version)
    ? fact(name, false, text.nodeTooOld(version))
    : fact(name, true, version)
}

function isBelowUsr(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return realpathSync(path).startsWith('/usr/')
  } catch {
    return false
  }
}

/** Node runs TypeScript, its types stripped, from 22.7 on. */
function stripsTypes(version: string): boolean {
  return isVersionAtLeast(version, [22, 7])
}

function firstLine(output: string): string {
  return output.trim().split('\n')[0] ?? ''
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
