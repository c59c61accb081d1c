import { statfs } from 'node:fs/promises'
import { Client } from './measure/client.ts'
import { startPlatform, withTools } from './measure/platform.ts'
import { availableBytes } from './measure/process-memory.ts'
import { Recorder, type Series } from './measure/series.ts'
import { platformMemory } from './sandbox/density.ts'

export interface CapacityOptions {
  /** Sandboxes that shall be paused at once, and how many shall run beside them. */
  paused: number
  live: number
  /** Runtime of those that run; those paused are of one that saves memory, where there is one. */
  driver: string | undefined
  tell: (line: string) => void
}

export interface CapacityReport {
  bench: 'capacity'
  at: string
  series: Series[]
  paused: Held
  live: Held
  /** Of a sample of the paused, the processes that went on after resume. */
  resumed: { tried: number; wentOn: number }
  platformBytes: number
}

/** So many at the same time, and what they take of the machine. */
interface Held {
  driver: string
  wanted: number
  reached: number
  failure?: string
  memoryBytesEach: number
  diskBytesEach: number
}

const callers = 4
const sample = 25
/** Prints one more line each time it is asked to, so that going on can be told from starting anew. */
const counter = `n=0; trap 'n=$((n+1)); echo $n >> /tmp/told' USR1; echo $$ > /tmp/pid; while :; do sleep 0.2 & wait; done`

/** Many paused and many running at the same time, on one machine. */
export async function benchCapacity(options: CapacityOptions): Promise<CapacityReport> {
  const { paused: wantedPaused, live: wantedLive, tell } = options
  const settings = { WARREN_POOL_SIZE: '0', WARREN_MAX_SANDBOXES: String(wantedPaused + wantedLive + 10) }
  const platform = await startPlatform(settings, withTools)
  const own = platform.own!
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void platform.stop().finally(() => process.exit(130)))
  try {
    const client = await Client.open(platform)
    const saving = (await client.runtimes<{ capabilities?: { pause?: { memory?: string } } }>()).find(
      ({ healthy, capabilities }) => healthy && capabilities?.pause?.memory === 'saved',
    )
    const pause = new Recorder()
    const resume = new Recorder()
    const create = new Recorder()
    const many = (wanted: number, driver: string | undefined, name: string, then?: AfterCreate) =>
      hold({ platform, home: own.home, wanted, driver, tell: (count) => tell(`${name} ${count} of ${wanted}`), then })

    const paused = await many(wantedPaused, saving?.driver ?? options.driver, 'paused', async (caller, id) => {
      await caller.start(id, counter)
      await caller.execute(id, 'while [ ! -e /tmp/pid ]; do sleep 0.05; done')
      await pause.time(() => caller.act(id, 'pause'))
    })
    const live = await many(wantedLive, options.driver, 'live')
    tell('is everybody there')
    for (const id of live.ids) await create.time(() => client.echo(id))

    tell('resuming some')
    const tried = paused.ids.filter((_, index) => index % Math.ceil(paused.ids.length / sample) === 0)
    let wentOn = 0
    for (const id of tried) {
      await resume.time(() => client.act(id, 'resume'))
      const told = 'kill -USR1 $(cat /tmp/pid); while [ ! -e /tmp/told ]; do sleep 0.05; done; cat /tmp/told'
      if ((await client.attempt(id, told, 10)).stdout === '1\n') wentOn++
    }
    const { pssBytes } = platformMemory(own)
    client.close()
    return {
      bench: 'capacity',
      at: new Date().toISOString(),
      series: [
        pause.series(`pause, by ${callers} callers`),
        create.series('exec in each of the live, one after the other'),
        resume.series('resume, beside all others'),
      ],
      paused: paused.held,
      live: { ...live.held, reached: create.count },
      resumed: { tried: tried.length, wentOn },
      platformBytes: pssBytes,
    }
  } finally {
    tell('cleaning up')
    await platform.stop()
  }
}

type AfterCreate = (caller: Client, id: string) => Promise<void>

async function hold(plan: {
  platform: Parameters<typeof Client.open>[0]
  home: string
  wanted: number
  driver: string | undefined
  tell: (count: number) => void
  then: AfterCreate | undefined
}): Promise<{ ids: string[]; held: Held }> {
  const { platform, home, wanted, tell, then } = plan
  const before = { memory: availableBytes(), disk: await freeBytes(home) }
  const ids: string[] = []
  let begun = 0
  let driver = ''
  let failure: string | undefined
  const work = async () => {
    const caller = await Client.open(platform)
    while (begun < wanted && failure === undefined) {
      begun++
      try {
        const input = {
          timeout: 7200,
          limits: { memoryMb: 256 },
          ...(plan.driver && { isolation: { driver: plan.driver } }),
        }
        const { id, runtime } = await caller.create(input)
        driver = runtime.driver
        await then?.(caller, id)
        if (ids.push(id) % 50 === 0) tell(ids.length)
      } catch (error) {
        failure = (error as Error).message
      }
    }
    caller.close()
  }
  await Promise.all(Array.from({ length: callers }, work))
  const each = (bytes: number) => Math.max(0, Math.round(bytes / Math.max(1, ids.length)))
  return {
    ids,
    held: {
      driver,
      wanted,
      reached: ids.length,
      ...(failure && { failure }),
      memoryBytesEach: each(before.memory - availableBytes()),
      diskBytesEach: each(before.disk - (await freeBytes(home))),
    },
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
