import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Platform, processesOf, startPlatform, until } from '../platform.ts'
import { type HostView, type Living, viewHost } from './host-view.ts'
import { readRows, untilInOrder } from './leftovers.ts'
import type { Order, Point, StepTaken, Told } from './points.ts'
import { initOf, type Verb } from './verbs.ts'

/** A platform that can be killed at any of its steps, with sandboxes in it that must not notice. */
export class CrashRig {
  readonly platform: Platform
  readonly #spare: number
  readonly #effectsOutside: Set<string>
  readonly #inbox: { wake: (message: Told) => void }
  /** Path and instance of each sandbox that must live on, with the processes that it had when all began. */
  readonly #living = new Map<string, { id: string; state: string; instanceId: string; processes: Living[] }>()
  #files: string[] = []
  /** How many workers of functions there must be. */
  workers: () => Promise<number> = async () => 0
  longestMs = 0
  crashes = 0
  points = 0
  /** Points that were not come by: the platform did something else this time. */
  readonly missed: string[] = []

  private constructor(platform: Platform, rest: Pick<CrashRigParts, 'spare' | 'outside' | 'inbox'>) {
    this.platform = platform
    this.#spare = rest.spare
    this.#effectsOutside = rest.outside
    this.#inbox = rest.inbox
  }

  static async open(env: Record<string, string>): Promise<CrashRig> {
    const outside = new Set<string>()
    const inbox: CrashRigParts['inbox'] = { wake: () => {} }
    const onMessage = (message: unknown) => {
      const told = message as Told
      if ('outside' in told) outside.add(told.outside)
      else inbox.wake(told)
    }
    const module = join(import.meta.dirname, 'journal.ts')
    const platform = await startPlatform({ WARREN_POOL_SIZE: '1', ...env }, { preload: { module, onMessage } })
    const spare = env.WARREN_POOL_SIZE === '0' ? 0 : 1
    after(() => rmSync(`${platform.home}.journal`, { force: true }))
    return new CrashRig(platform, { spare, outside, inbox })
  }

  /** Lasting effects that no step covers, so that nobody could kill the platform there. */
  get effectsOutside(): string[] {
    return [...this.#effectsOutside]
  }

  /**
   * Starts sandboxes, one for each input, each with a process of its own: from now on all of them must live, and those of
   * `paused` stand still.
   */
  async populate(inputs: object[], paused: { input: object; pause: object }[] = []): Promise<void> {
    const begin = async (input: object, state: string) => {
      const path = await this.platform.sandbox({ timeout: 86_400, ...input })
      await this.platform.json('POST', `${path}/processes`, { command: 'sleep 1000000' })
      this.#living.set(path, { id: path.split('/').at(-1)!, state, instanceId: '', processes: [] })
      return path
    }
    for (const { input, pause } of paused)
      await this.platform.json('POST', `${await begin(input, 'paused')}/pause`, pause)
    for (const input of inputs) await begin(input, 'running')
    await this.inOrder('the sandboxes have started')
    const rows = await readRows(this.platform.home)
    const { below, files } = this.#view()
    for (const sandbox of this.#living.values()) {
      sandbox.instanceId = rows.find(({ id }) => id === sandbox.id)!.instance_id!
      sandbox.processes = below.get(sandbox.instanceId) ?? []
    }
    this.#files = files
  }

  get sandboxes(): string[] {
    return [...this.#living.keys()]
  }

  /** The steps that a verb takes when nothing goes wrong. */
  async record(verb: Verb): Promise<StepTaken[]> {
    const path = (await verb.prepare?.(this.platform)) ?? ''
    await this.inOrder(`before ${verb.name}`)
    await this.#order({ arm: null })
    await verb.act(this.platform, path)
    if (this.platform.process.exitCode === null) {
      const { taken } = (await this.#order({ tell: 'taken' })) as { taken: StepTaken[] }
      await this.removeOthers()
      return taken
    }
    const taken = JSON.parse(readFileSync(`${this.platform.home}.journal`, 'utf8')) as StepTaken[]
    await this.platform.start()
    return taken
  }

  /** The steps since the start of the process, until nothing is left to do. */
  async recordStart(): Promise<StepTaken[]> {
    await this.inOrder('after the start')
    return ((await this.#order({ tell: 'taken' })) as { taken: StepTaken[] }).taken
  }

  /** Lets the platform die at one point of a verb, starts it again and checks that nothing is lost and nothing left. */
  async crash(verb: Verb, point: Point): Promise<void> {
    const { platform } = this
    const path = (await verb.prepare?.(platform)) ?? ''
    await this.inOrder(`before ${verb.name}`)
    await this.#order({ arm: point })
    const acknowledged = await verb.act(platform, path).then(
      (answer) => ({ path: answer }),
      () => undefined,
    )
    if (!(await this.#hasDied())) {
      this.missed.push(`${verb.name}: ${JSON.stringify(point)}`)
      await platform.kill('SIGKILL')
    }
    await this.startAgain()
    await verb.settled?.(platform, path, acknowledged)
    await this.removeOthers()
  }

  /** The same for the start itself: it dies at `point`, and the next start has to cope with both. */
  async crashStart(point: Point): Promise<void> {
    const started = await this.platform.start({ WARREN_TEST_JOURNAL: JSON.stringify(point) }).then(
      () => true,
      () => false,
    )
    if (started) {
      this.missed.push(`start: ${JSON.stringify(point)}`)
      await this.platform.kill('SIGKILL')
    }
    await this.startAgain()
    await this.removeOthers()
  }

  /** Kills it so that the next start finds a dead sandbox, one half made, one half removed and a spare one that died. */
  async leaveAMess(): Promise<void> {
    const { platform } = this
    await this.inOrder('before a mess')
    const [dead, ending] = await Promise.all(['oci/runc', 'namespaces'].map((driver) => newSandbox(platform, driver)))
    const rows = await readRows(platform.home)
    const { instance_id } = rows.find(({ id }) => dead!.endsWith(id))!
    await this.#order({ arm: { step: 'keeper.launch', occurrence: 1, moment: 'after' } })
    const removal = platform.call('DELETE', ending!)
    await Promise.allSettled([removal, newSandbox(platform, 'namespaces')])
    if (!(await this.#hasDied())) throw new Error('the platform did not die as it was told')
    process.kill(initOf(platform, instance_id!), 'SIGKILL')
  }

  /** Of this platform nothing is left: the next start is its first. */
  async removeEverything(): Promise<void> {
    const { platform } = this
    await platform.kill('SIGKILL')
    await until('its processes are gone', () => {
      const left = processesOf(platform.home)
      for (const pid of left) kill(pid)
      return left.length === 0
    })
    for (const name of readdirSync(platform.home)) rmSync(join(platform.home, name), { recursive: true, force: true })
  }

  async startAgain(): Promise<void> {
    this.crashes++
    const startedAt = performance.now()
    await this.platform.start()
    await this.inOrder('after a crash')
    this.longestMs = Math.max(this.longestMs, performance.now() - startedAt)
  }

  /** Waits until every record has what it says and nothing else is there; then all the sandboxes must live as before. */
  async inOrder(when: string): Promise<void> {
    await untilInOrder(this.platform, { spare: this.#spare, workers: this.workers }).catch((error) => {
      throw new Error(`${when}, ${error.message}`)
    })
    await this.#allLive()
  }

  async #allLive(): Promise<void> {
    const { below, files } = this.#view()
    const { sandboxes } = await this.platform.json('GET', '/v1/sandboxes?limit=1000')
    const states = new Map(sandboxes.map(({ id, state }: Answer) => [id, state]))
    for (const { id, state, instanceId, processes } of this.#living.values()) {
      if (states.get(id) !== state) throw new Error(`sandbox ${id} is ${states.get(id)}`)
      const lost = processes.filter((living) => !below.get(instanceId)?.includes(living))
      if (lost.length > 0) throw new Error(`of sandbox ${id} died: ${lost}`)
    }
    const running = [...this.#living].flatMap(([path, { state }]) => (state === 'running' ? path : []))
    const path = running[this.crashes % Math.max(1, running.length)]
    if (path) await this.platform.json('POST', `${path}/execute`, { command: 'true' })
    const added = files.filter((file) => this.#files.length > 0 && !this.#files.includes(file))
    const unknown = added.filter((file) => !/^images\/base-\d+-[0-9a-f]+-\d+\.ext4$/.test(file))
    if (unknown.length > 0) throw new Error(`files that were not there before: ${unknown}`)
  }

  /** All that the verbs made. */
  async removeOthers(): Promise<void> {
    const { sandboxes } = await this.platform.json('GET', '/v1/sandboxes?limit=1000')
    const others = sandboxes
      .map(({ id }: Answer) => `/v1/sandboxes/${id}`)
      .filter((path: string) => !this.#living.has(path))
    for (const path of others) await this.platform.call('DELETE', path)
    const { snapshots } = await this.platform.json('GET', '/v1/snapshots?limit=1000')
    for (const { id } of snapshots) await this.platform.call('DELETE', `/v1/snapshots/${id}`)
  }

  async #hasDied(): Promise<boolean> {
    const { process } = this.platform
    for (let waitedMs = 0; waitedMs < 3000; waitedMs += 20) {
      if (process.signalCode === 'SIGKILL') return true
      if (process.exitCode !== null) return false
      await sleep(20)
    }
    return false
  }

  #order(order: Order): Promise<Told> {
    const { promise, resolve } = Promise.withResolvers<Told>()
    this.#inbox.wake = resolve
    this.platform.process.send(order)
    return promise
  }

  #view(): HostView {
    return viewHost(this.platform)
  }
}

/** What to ask for to get so many small sandboxes, of these drivers in turn. */
export function mixOf(count: number, drivers: string[]): object[] {
  return Array.from({ length: count }, (_, index) => ({
    isolation: { driver: drivers[index % drivers.length] },
    limits: { diskMb: 40, memoryMb: 64, cpuCores: 0.2 },
  }))
}

function newSandbox(platform: Platform, driver: string): Promise<string> {
  return platform.sandbox({ isolation: { driver }, limits: { diskMb: 40 } })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}

interface CrashRigParts {
  spare: number
  outside: Set<string>
  inbox: { wake: (message: Told) => void }
}
