import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../../../lib/run-command.ts'
import { step } from '../../../lib/step.ts'
import { systemPath } from '../../../lib/system-path.ts'
import { isVersionAtLeast } from '../../../lib/version.ts'
import { findTool, type Host } from '../../host/host.ts'

/** Earlier ones fail on newer kernels, or as soon as there is a socket. */
const leastVersion = [4, 2] as const
const deadlineMs = 5000

/** A small process with the namespaces of a container: users and processes of its own in a network that is the host's. */
const sample = [
  '--net',
  'unshare',
  '--user',
  '--map-root-user',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  'sleep',
  '20',
]

/** Why what runs in containers cannot be saved with CRIU on this host, found out by dumping and restoring a small process. */
export async function whyNoMemory(host: Host): Promise<string> {
  const criu = findTool(host, 'criu')
  if (!criu)
    return 'CRIU is not installed; its version 4.2.1 could not save such a container either (docs/snapshots.md)'
  const version = /Version: (\S+)/.exec((await runCommand([criu, '--version'], { timeoutMs: deadlineMs })).stdout)?.[1]
  if (!version || !isVersionAtLeast(version, leastVersion))
    return `CRIU ${version ?? 'of an unknown version'} is older than ${leastVersion.join('.')}`
  const folder = join(host.cacheDir, 'criu-probe')
  const failure = await step('criu.probe', folder, () => tryOut(criu, folder)).catch((error: Error) => error.message)
  return failure === undefined
    ? `CRIU ${version} would do here, but saving containers with it has not been built`
    : `CRIU ${version} cannot save a container here: ${failure}`
}

/** Undefined where it worked. Nothing is left of the attempt. */
async function tryOut(criu: string, folder: string): Promise<string | undefined> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const child = spawn('unshare', sample, { cwd: '/', detached: true, stdio: 'ignore', env: { PATH: systemPath } })
  child.on('error', () => {})
  const run = async (verb: string, ...args: string[]) => {
    const log = `${verb}.log`
    const argv = [verb, '--images-dir', folder, '--log-file', log, '-v1', ...args]
    const { ok, failure } = await runCommand([criu, ...argv], { timeoutMs: deadlineMs, cwd: '/' })
    return ok ? undefined : ((await lastError(join(folder, log))) ?? failure)
  }
  try {
    const pid = await firstProcess(child.pid)
    if (pid === undefined) return 'no process could be made to try it with'
    return (
      (await run('dump', '--network-lock', 'skip', '--tree', `${pid}`)) ?? (await run('restore', '--restore-detached'))
    )
  } finally {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
}

/** The child of `unshare`, once there is one. */
async function firstProcess(parent: number | undefined): Promise<number | undefined> {
  for (const late = AbortSignal.timeout(deadlineMs); parent !== undefined && !late.aborted; ) {
    const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => '')
    const pid = Number(children.trim())
    if (pid > 0 && (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).startsWith('sleep')) return pid
  }
  return undefined
}

/** The sentence that tells why; what follows it only says that it failed. */
async function lastError(log: string): Promise<string | undefined> {
  const text = await readFile(log, 'utf8').catch(() => '')
  const errors = [...text.matchAll(/Error \([^)]*\): (.*)/g)].map(([, message]) => message!)
  return errors.filter((message) => !/^(Dumping|Restoring) FAILED/.test(message)).at(-1)
}
