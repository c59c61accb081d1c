import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../errors.ts'
import { isAlive } from '../../lib/process-stat.ts'
import { step } from '../../lib/step.ts'
import { systemPath } from '../../lib/system-path.ts'

/** Where `ip netns` keeps the namespaces that have a name. */
export const namesFolder = '/run/netns'
const startMs = 5000

/** Where network namespaces are made and have their names. */
export interface Ground {
  /** A command to be run there, where it may make them and finds their names in `namesFolder`. */
  command(argv: [string, ...string[]]): [string, ...string[]]
  /** That folder, as everybody else of this user finds it. */
  folder: string
  /** Another ground has another: nothing of an earlier one is on it. */
  id: string
  /** Takes all of it away. */
  end(): Promise<void>
}

/** Root's: the host's own names. */
export const hostGround: Ground = { command: (argv) => argv, folder: namesFolder, id: 'host', end: async () => {} }

interface Holder {
  pid: number
  startTime: string
}

/**
 * An ordinary user's: a user namespace in which that user is root, and a mount namespace for the names. A small process,
 * `warren-guest hold-network`, holds both and outlives the platform; the one that an earlier process started is taken up.
 * Rejects with the reason where the host allows no such thing.
 */
export async function openOwnGround(place: { guestBinary: string; folder: string }): Promise<Ground> {
  const holder = readHolder(place.folder) ?? (await step('network.hold', place.folder, () => startHolder(place)))
  const base = `/proc/${holder.pid}`
  const files = ['ns/user', 'ns/mnt', 'ns/net'].map((name) => openSync(`${base}/${name}`, 'r'))
  const names = openSync(`${base}/root${namesFolder}`, constants.O_RDONLY | constants.O_DIRECTORY)
  // From here on these are known to be its own, whatever process may have its number later.
  if (!isAlive(holder.pid, holder.startTime)) {
    for (const file of [...files, names]) closeSync(file)
    throw new Error('the holder of the networks has died')
  }
  const [user, mount, net] = files.map((file) => `/proc/${process.pid}/fd/${file}`)
  const enter = ['nsenter', '--preserve-credentials', `--user=${user}`, `--mount=${mount}`, `--net=${net}`] as const
  return {
    command: (argv) => [...enter, ...argv] as [string, ...string[]],
    folder: `/proc/${process.pid}/fd/${names}`,
    id: `${holder.pid} ${holder.startTime}`,
    end: () =>
      step('network.let_go', place.folder, async () => {
        for (const file of [...files, names]) closeSync(file)
        if (isAlive(holder.pid, holder.startTime)) process.kill(holder.pid, 'SIGKILL')
      }),
  }
}

/** The one that lives, if there is one and it is ready. */
function readHolder(folder: string): Holder | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, 'holder'), 'utf8')
  } catch {
    return undefined
  }
  const [, pid, startTime] = /^(\d+) (\d+)\n$/.exec(text) ?? []
  return pid && startTime && isAlive(Number(pid), startTime) ? { pid: Number(pid), startTime } : undefined
}

/** Of several that are started at once one stays, and that one is answered. */
async function startHolder({ guestBinary, folder }: { guestBinary: string; folder: string }): Promise<Holder> {
  const logPath = join(folder, 'holder.log')
  const log = openSync(logPath, 'w', 0o600)
  const child = spawn(guestBinary, ['hold-network', folder], {
    cwd: '/',
    detached: true,
    env: { PATH: systemPath },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.on('error', () => {})
  child.unref()
  const deadline = Date.now() + startMs
  for (;;) {
    const holder = readHolder(folder)
    if (holder) return holder
    if (Date.now() > deadline) break
    if (hasEnded(child) && !/cannot lock/.test(readFileSync(logPath, 'utf8'))) break
    await sleep(5)
  }
  child.kill('SIGKILL')
  throw new WarrenError('unavailable', readFileSync(logPath, 'utf8').trim() || 'the holder of networks did not start')
}

function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined
}
