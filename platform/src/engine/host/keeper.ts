import { readFile } from 'node:fs/promises'
import net from 'node:net'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../errors.ts'
import { isOutOfResources } from '../../lib/out-of-resources.ts'
import { isAlive } from '../../lib/process-stat.ts'
import { step } from '../../lib/step.ts'
import type { DiskLimit, Hold, InitExit, InstanceDir } from '../driver.ts'
import type { Launcher, StartReport } from './launcher.ts'
import { findByArguments, killTree } from './processes.ts'

/** How to start one instance under a keeper: options of `warren-guest keep` and the runtime's command line. */
export interface KeeperPlan {
  launcher: Launcher
  options: string[]
  argv: string[]
  /** Longest time from here to the instance's first process, milliseconds. */
  deadlineMs: number
}

interface KeeperState {
  keeperPid: number
  keeperStartTime: string
  pid: number
  startTime: string
  disk: DiskLimit
}

/**
 * The keeper: one small process beside each instance that parents the runtime, so that the instance outlives us.
 * It holds the mounts in a mount namespace of its own: when it goes, they go.
 */
export class Keeper {
  readonly state: KeeperState
  readonly exited: Promise<InitExit>
  readonly #connection: net.Socket
  readonly #gone: Promise<void>
  /** Told why not, or nothing when the copy is made. */
  #copied: ((failure: string | undefined) => void) | undefined

  private constructor(state: KeeperState, connection: net.Socket) {
    this.state = state
    this.#connection = connection
    const exit = Promise.withResolvers<InitExit>()
    const gone = Promise.withResolvers<void>()
    this.exited = exit.promise
    this.#gone = gone.promise
    let text = ''
    connection.setEncoding('utf8')
    connection.on('data', (chunk: string) => {
      text = (text + chunk).slice(-4096)
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const told = readLine(text.slice(0, end))
        text = text.slice(end + 1)
        if (told?.state === 'exited') exit.resolve({ exitCode: told.exitCode, signal: told.signal, at: told.at })
        if (told?.copied !== undefined) this.#copied?.(told.copied ? undefined : (told.error ?? 'unknown'))
      }
    })
    connection.on('error', () => {})
    connection.on('close', () => {
      exit.resolve({ exitCode: null, signal: null, at: Date.now() })
      gone.resolve()
    })
    connection.unref()
  }

  /** Starts keeper and runtime. Rejects `unavailable` with the runtime's own last words; then `sweep` is due. */
  static async launch(dir: InstanceDir, plan: KeeperPlan, signal: AbortSignal, hold?: Hold): Promise<Keeper> {
    const id = basename(dir.path)
    const args = ['keep', '--dir', dir.path, ...(hold ? ['--hold'] : []), ...plan.options, '--', ...plan.argv]
    await step('keeper.launch', id, () => inTime(plan, signal, (timer) => plan.launcher.launch(id, args, timer)))
    if (!hold) return Keeper.#connect(dir)

    const connection = await connect(dir)
    connection.unref()
    // The keeper ends when we go.
    const giveUp = () => connection.destroy()
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      // Nobody is told any more of what was aborted while the connection was made.
      signal.throwIfAborted()
      const report = plan.launcher.report(id, signal)
      hold.prepared()
      await Promise.race([hold.released, report.then(checkReport)])
      await step('keeper.run', id, () => {
        connection.write('run\n')
        return inTime(plan, signal, (timer) => Promise.race([report, rejection(timer)]))
      })
      return new Keeper(await stateOf(dir), connection)
    } catch (error) {
      giveUp()
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** Takes up a keeper that an earlier process of ours launched. Undefined when instance or keeper are gone. */
  static async adopt(dir: InstanceDir): Promise<Keeper | undefined> {
    const state = await readState(dir)
    if (!state) return undefined
    try {
      const keeper = await Keeper.#connect(dir)
      if (isAlive(state.pid, state.startTime)) return keeper
      keeper.#connection.destroy()
    } catch {
      // Refused or absent: the keeper is dead.
    }
    return undefined
  }

  /**
   * Kills whatever is left of an instance whose keeper cannot be reached, and waits until it is gone. Safe against reused
   * process ids.
   */
  static async sweep(dir: InstanceDir): Promise<void> {
    const late = AbortSignal.timeout(3000)
    const state = await readState(dir)
    if (!state) {
      // It was still starting when we died.
      const find = () => findByArguments(['keep', '--dir', dir.path])
      for (const pid of await find()) await killTree(pid)
      while (!late.aborted && (await find()).length > 0) await sleep(10)
      return
    }
    if (isAlive(state.keeperPid, state.keeperStartTime)) await killTree(state.keeperPid)
    if (isAlive(state.pid, state.startTime)) await killTree(state.pid)
    await waitGone(state, late)
  }

  /** Copies the disk's image to `disk.copy` in the instance's folder. Nothing inside may write meanwhile. */
  async copyDisk(): Promise<void> {
    const failure = await new Promise<string | undefined>((resolve) => {
      this.#copied = resolve
      void this.#gone.then(() => resolve('its keeper is gone'))
      this.#connection.write('copy-disk\n')
    })
    if (failure) throw new WarrenError('unavailable', `the disk of the sandbox could not be copied: ${failure}`)
  }

  /** Kills the instance; resolves when the keeper has cleaned up and is gone. */
  async kill(): Promise<void> {
    // At the start nothing else may keep this process going meanwhile.
    this.#connection.ref()
    if (!this.#connection.destroyed) this.#connection.write('kill\n')
    const late = AbortSignal.timeout(3000)
    await Promise.race([this.#gone, new Promise((resolve) => late.addEventListener('abort', resolve, { once: true }))])
    await waitGone(this.state, late)
    if (isAlive(this.state.keeperPid, this.state.keeperStartTime)) await killTree(this.state.keeperPid)
    if (isAlive(this.state.pid, this.state.startTime)) await killTree(this.state.pid)
  }

  static async #connect(dir: InstanceDir): Promise<Keeper> {
    return new Keeper(await stateOf(dir), await connect(dir))
  }
}

function connect(dir: InstanceDir): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path: `${dir.socketDir}/keeper.sock` })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Waits for a good report until the plan's deadline. */
async function inTime(
  { deadlineMs }: KeeperPlan,
  signal: AbortSignal,
  report: (timer: AbortSignal) => Promise<StartReport>,
): Promise<void> {
  signal.throwIfAborted()
  const timer = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)])
  try {
    checkReport(await report(timer))
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (timer.aborted) {
      throw new WarrenError('timeout', `the runtime did not start within ${deadlineMs} ms`, { cause: error })
    }
    throw error
  }
}

function checkReport(report: StartReport): void {
  if (!report.ok) throw new WarrenError('unavailable', startFailure(report))
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

async function stateOf(dir: InstanceDir): Promise<KeeperState> {
  const state = await readState(dir)
  if (!state) throw new WarrenError('internal', `the keeper left no state in ${dir.path}`)
  return state
}

function startFailure(report: { error: string; stderr: string }): string {
  const lastWords = report.stderr.trim().split('\n').slice(-3).join(' · ')
  return `the runtime did not start: ${report.error}${lastWords ? ` (${lastWords})` : ''}`
}

/** Whether a keeper lives that has its files in `folder`. */
export async function hasLiveKeeper(folder: string): Promise<boolean> {
  const state = await readState({ path: folder })
  return state !== undefined && isAlive(state.keeperPid, state.keeperStartTime)
}

async function readState(dir: Pick<InstanceDir, 'path'>): Promise<KeeperState | undefined> {
  try {
    return JSON.parse(await readFile(`${dir.path}/state.json`, 'utf8')) as KeeperState
  } catch (error) {
    if (isOutOfResources(error)) throw error
    return undefined
  }
}

function readLine(line: string): (InitExit & { state?: string; copied?: boolean; error?: string }) | undefined {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

async function waitGone(state: KeeperState, late: AbortSignal): Promise<void> {
  for (let pauseMs = 1; !late.aborted; pauseMs = Math.min(pauseMs * 2, 50)) {
    if (!isAlive(state.keeperPid, state.keeperStartTime)) return
    await sleep(pauseMs)
  }
}
