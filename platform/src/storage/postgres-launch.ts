import { chmod, chown, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../lib/run-command.ts'
import { systemPath } from '../lib/system-path.ts'
import { copyBinaries, type PostgresBinaries } from './postgres-binaries.ts'

/** How a program of PostgreSQL is started here so that it neither sees itself as root (it refuses to run so) nor loses its files. */
export interface Launch {
  binaries: PostgresBinaries
  /** Command that the program's path and arguments are put behind. */
  prefix: string[]
  uid?: number
  gid?: number
  env: Record<string, string>
}

interface Candidate {
  prefix: string[]
  uid?: number
  gid?: number
}

/**
 * Finds a way that works by trying it: the first of `installed` whose programs run. `folder` is ours and will
 * hold the data. Answers with the reasons when none does.
 */
export async function chooseLaunch(
  installed: PostgresBinaries[],
  folder: string,
): Promise<Launch | { reasons: string[] }> {
  const reasons: string[] = []
  for (const candidate of await candidates(folder)) {
    for (const binaries of installed) {
      const launch = { ...candidate, binaries, env: environment(binaries) }
      const reason = await whyNot(launch, folder)
      if (!reason) return launch
      reasons.push(reason)
      if (binaries.origin === 'system' || !/EACCES|Permission denied/i.test(reason)) continue

      const copy = await copyBinaries(binaries, folder)
      const copied = { ...candidate, binaries: copy, env: environment(copy) }
      if (!(await whyNot(copied, folder))) return copied
    }
  }
  return { reasons }
}

/** The command line that starts `program` this way. */
export function commandLine(launch: Launch, program: 'initdb' | 'postgres', args: string[]): [string, ...string[]] {
  return [...launch.prefix, join(launch.binaries.folder, program), ...args] as [string, ...string[]]
}

/**
 * As root: first in a user namespace without a map, where it is nobody to itself and root's files still open (works under
 * folders that only root may enter); then as an unprivileged user who owns the data. Data that exist say which.
 */
async function candidates(folder: string): Promise<Candidate[]> {
  if (process.getuid?.() !== 0) return [{ prefix: [] }]
  const owner = await stat(join(folder, 'data')).then(
    (data) => data.uid,
    () => undefined,
  )
  const user = await unprivilegedUser(owner)
  return [
    ...(owner ? [] : [{ prefix: ['unshare', '--user', '--'] }]),
    ...(owner !== 0 && user ? [{ prefix: [], ...user }] : []),
  ]
}

async function whyNot(launch: Launch, folder: string): Promise<string> {
  if (launch.uid !== undefined) await giveFolderTo(launch.uid, launch.gid ?? launch.uid, folder)
  const { uid, gid, env } = launch
  const options = { timeoutMs: 10_000, cwd: folder, env, ...(uid === undefined ? {} : { uid, gid: gid ?? uid }) }
  for (const program of ['initdb', 'postgres'] as const) {
    const { failure } = await runCommand(commandLine(launch, program, ['--version']), options)
    if (failure) return `${commandLine(launch, program, []).join(' ')} ${failure}`
  }
  return ''
}

async function giveFolderTo(uid: number, gid: number, folder: string): Promise<void> {
  await chown(folder, uid, gid)
  // Others may pass through the folder above, by name; what lies there stays closed to them by its own mode.
  await chmod(join(folder, '..'), 0o711)
}

/** `postgres` or `nobody`, or whoever has that uid: PostgreSQL wants a user that /etc/passwd knows. */
async function unprivilegedUser(wanted: number | undefined): Promise<{ uid: number; gid: number } | undefined> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'))
  const line = wanted
    ? lines.find((fields) => Number(fields[2]) === wanted)
    : (lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody'))
  return line && { uid: Number(line[2]), gid: Number(line[3]) }
}

/** Nothing of the platform's environment: it may hold keys, and any sandboxed reader of /proc would start there. */
function environment(binaries: PostgresBinaries): Record<string, string> {
  return {
    PATH: systemPath,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    ...(binaries.libraries ? { LD_LIBRARY_PATH: binaries.libraries } : {}),
  }
}
