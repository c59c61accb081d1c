import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from './measure/client.ts'
import { type Platform, startPlatform } from './measure/platform.ts'
import { Recorder, type Series } from './measure/series.ts'
import { type Trend, trendOf } from './measure/trend.ts'
import { figures, type Sample, takeSample } from './soak/sample.ts'

export interface SoakOptions {
  minutes: number
  /** Sandboxes that live all the time. */
  longLived: number
  tell: (line: string) => void
}

export interface SoakReport {
  bench: 'soak'
  at: string
  minutes: number
  created: number
  success: number
  series: Series[]
  trends: Trend[]
  lost: string[]
}

const callers = 4
const sampleMs = 5000
/** What is seen before is the filling of caches and pools. */
const warmUpShare = 0.25
/** Short, so that also an hour's work shows whether history is forgotten. */
const historyHours = 0.01

/** The same work for a long time: sandboxes come and go beside some that stay. Nothing may grow. */
export async function benchSoak({ minutes, longLived, tell }: SoakOptions): Promise<SoakReport> {
  const platform = await startPlatform({ WARREN_HISTORY_HOURS: String(historyHours), WARREN_POOL_SIZE: '8' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void platform.stop().finally(() => process.exit(130)))
  }
  try {
    return await soak(platform, { minutes, longLived, tell })
  } finally {
    tell('cleaning up')
    await platform.stop()
  }
}

async function soak(platform: Platform, { minutes, longLived, tell }: SoakOptions): Promise<SoakReport> {
  const client = await Client.open(platform)
  const living: string[] = []
  for (let started = 0; started < longLived; started++) living.push((await client.create({ timeout: 86_400 })).id)
  client.close()

  const startedAt = performance.now()
  const endsAt = startedAt + minutes * 60_000
  const passed = () => performance.now() - startedAt
  const rounds = new Recorder()
  const execs = new Recorder()
  const samples: { atMs: number; sample: Sample }[] = []
  const work = [
    ...Array.from({ length: callers }, (_, caller) => comeAndGo(platform, { caller, endsAt, rounds })),
    stay(platform, { living, endsAt, execs }),
  ]
  while (performance.now() < endsAt) {
    samples.push({ atMs: passed(), sample: await takeSample(platform.own!) })
    tell(`${Math.round(passed() / 1000)} s: ${rounds.count} sandboxes came and went`)
    await sleep(sampleMs)
  }
  await Promise.all(work)
  const lost = await lostOf(platform, living)

  const settled = samples.filter(({ atMs }) => atMs > warmUpShare * minutes * 60_000)
  const series = [
    rounds.series(`create, echo, remove, by ${callers} callers`),
    execs.series(`exec in ${longLived} sandboxes that stay`),
  ]
  return {
    bench: 'soak',
    at: new Date().toISOString(),
    minutes,
    created: rounds.count,
    success: Math.min(...series.map((each) => each.success)),
    series,
    trends: figures.map(({ name, ...tolerance }) =>
      trendOf(
        name,
        settled.map(({ atMs, sample }) => ({ atMs, value: sample[name] })),
        tolerance,
      ),
    ),
    lost,
  }
}

/** Every fourth is started for its request, the others come from the pool while it lasts. */
async function comeAndGo(
  platform: Platform,
  plan: { caller: number; endsAt: number; rounds: Recorder },
): Promise<void> {
  const client = await Client.open(platform)
  for (let round = plan.caller; performance.now() < plan.endsAt; round++) {
    const input = round % 4 === 0 ? { limits: { diskMb: 64 } } : { env: { ROUND: String(round) } }
    await plan.rounds.time(async () => {
      const { id } = await client.create({ timeout: 120, ...input })
      await client.echo(id)
      await client.remove(id)
    })
  }
  client.close()
}

async function stay(platform: Platform, plan: { living: string[]; endsAt: number; execs: Recorder }): Promise<void> {
  const client = await Client.open(platform)
  for (let turn = 0; performance.now() < plan.endsAt; turn++) {
    await plan.execs.time(() => client.echo(plan.living[turn % plan.living.length]!))
    await sleep(100)
  }
  client.close()
}

async function lostOf(platform: Platform, living: string[]): Promise<string[]> {
  const client = await Client.open(platform)
  const lost: string[] = []
  for (const id of living) {
    const { state } = await client.get(id)
    if (state !== 'running') lost.push(`${id} is ${state}`)
  }
  client.close()
  return lost
}
