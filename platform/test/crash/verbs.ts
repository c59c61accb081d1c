import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type Answer, type Platform, until } from '../platform.ts'
import { readRows } from './leftovers.ts'

/** What `act` answered; undefined where the platform died before it could. */
export type Acknowledged = { path: unknown } | undefined

/** Something the platform does, at each of whose steps it is killed. */
export interface Verb {
  name: string
  /** The steps that are its own, where timers take others meanwhile. */
  own?: RegExp
  /** Makes what the verb is done to; answers the path of it, if there is something. */
  prepare?(platform: Platform): Promise<string>
  /** Does it; when it resolves, the platform has acknowledged it. */
  act(platform: Platform, path: string): Promise<unknown>
  /** Checks what came of it, after a new start. */
  settled?(platform: Platform, path: string, acknowledged: Acknowledged): Promise<void>
}

/** A disk of this size is none that the pool holds: such a sandbox is started for its request. */
const coldLimits = { diskMb: 40 }

/** What can be done with a sandbox of `driver`; `pooled` if ready ones wait in the pool. */
export function verbsOf(driver: string, pooled: boolean): Verb[] {
  const isolation = { driver }
  const sandbox = (platform: Platform) => platform.sandbox({ isolation, limits: coldLimits, timeout: 600 })
  const verbs: Verb[] = [
    {
      name: 'create',
      act: sandbox,
      settled: isThereIfAcknowledged,
    },
    {
      name: 'create with variables and a disk of a new size',
      act: (platform) => platform.sandbox({ isolation, limits: { diskMb: newSize() }, env: { A: 'b' } }),
      settled: isThereIfAcknowledged,
    },
    {
      name: 'remove',
      prepare: sandbox,
      act: (platform, path) => platform.json('DELETE', path),
      settled: isGoneIfAcknowledged,
    },
    {
      name: 'set timeout',
      prepare: sandbox,
      act: (platform, path) => platform.json('POST', `${path}/timeout`, { timeout: 1800 }),
      async settled(platform, path, acknowledged) {
        const { createdAt, expiresAt } = await platform.json('GET', path)
        const minutes = (Date.parse(expiresAt) - Date.parse(createdAt)) / 60_000
        const isNew = minutes > 20
        if (acknowledged && !isNew) throw new Error('the new timeout was acknowledged and is not there')
      },
    },
    {
      name: 'expire',
      prepare: sandbox,
      async act(platform, path) {
        await platform.json('POST', `${path}/timeout`, { timeout: 1 })
        await until('it has expired', async () => (await platform.call('GET', path)).status === 404)
      },
      settled: isGoneIfAcknowledged,
    },
    {
      name: 'fail',
      prepare: sandbox,
      async act(platform, path) {
        const id = path.split('/').at(-1)
        const row = (await readRows(platform.home)).find((candidate) => candidate.id === id)
        process.kill(initOf(platform, row!.instance_id!), 'SIGKILL')
        await until('it is told as failed', async () => (await platform.json('GET', path)).state === 'failed')
      },
      async settled(platform, path) {
        await until('it has failed', async () => (await platform.json('GET', path)).state === 'failed')
      },
    },
  ]
  if (!pooled) return verbs
  const warm = { isolation, env: { A: 'b' }, limits: { memoryMb: 200 } }
  return [
    ...verbs,
    { name: 'claim', act: (platform) => platform.sandbox(warm), settled: isThereIfAcknowledged },
    {
      name: 'fill the pool, after a death in it',
      async act(platform) {
        const [spare] = (await sparesOf(platform)) as [string]
        process.kill(initOf(platform, spare), 'SIGKILL')
        await until('another one waits', async () => {
          if (platform.process.signalCode) throw new Error('the platform has died')
          const now = await sparesOf(platform)
          return now.length === 1 && now[0] !== spare && existsSync(`${platform.home}/run/${now[0]}/state.json`)
        })
      },
    },
  ]
}

async function isThereIfAcknowledged(platform: Platform, _: string, acknowledged: Acknowledged): Promise<void> {
  if (!acknowledged) return
  const { stdout } = await platform.json('POST', `${acknowledged.path}/execute`, { command: 'echo there' })
  if (stdout !== 'there\n') throw new Error(`an acknowledged sandbox says ${stdout}`)
}

async function isGoneIfAcknowledged(platform: Platform, path: string, acknowledged: unknown): Promise<void> {
  const { status } = await platform.call('GET', path)
  if (status === 404) return
  if (acknowledged) throw new Error(`an acknowledged end, and it is there: ${status}`)
  const { stdout } = await platform.json('POST', `${path}/execute`, { command: 'echo there' })
  if (stdout !== 'there\n') throw new Error(`neither there nor gone: ${stdout}`)
}

let size = 41
function newSize(): number {
  size++
  return size
}

/** The number that the first process of an instance has on the host. */
export function initOf({ home }: Platform, instanceId: string): number {
  return JSON.parse(readFileSync(`${home}/run/${instanceId}/state.json`, 'utf8')).pid
}

/** Instances that nobody owns: those of the pool, where nothing is left over. */
async function sparesOf(platform: Platform): Promise<string[]> {
  const owned = new Set((await readRows(platform.home)).map(({ instance_id }: Answer) => instance_id))
  return readdirSync(`${platform.home}/run`).filter((id) => !owned.has(id))
}
