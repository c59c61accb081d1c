import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from './measure/client.ts'
import { existingPlatform, type Platform, startPlatform, withTools } from './measure/platform.ts'
import type { Memory } from './measure/process-memory.ts'
import type { Series } from './measure/series.ts'
import { burst } from './sandbox/burst.ts'
import { createToFirstOutput } from './sandbox/create.ts'
import { type Density, density, platformMemory } from './sandbox/density.ts'
import { execInRunning } from './sandbox/exec.ts'
import { neighbours } from './sandbox/neighbours.ts'
import { references } from './sandbox/references.ts'
import { sustained } from './sandbox/sustained.ts'

export interface SandboxBenchOptions {
  /** A server that runs already; else one is started for this. */
  url?: string | undefined
  /** The runtime to measure; else the one a request without wishes gets. */
  driver?: string | undefined
  /** How many idle sandboxes to weigh. */
  density: number
  quick: boolean
  /** Told what is being done. */
  tell: (line: string) => void
}

export interface SandboxReport {
  bench: 'sandbox'
  at: string
  runtime: { driver: string; isolation: string; disk: string }
  series: Series[]
  poolHitShare: number
  createsPerSecond: number
  platformIdle?: Memory & { target: { pssBytesAtMost: number; met: boolean } }
  density?: Density
  /** What was left out, and why. */
  skipped: string[]
}

/** The promise for the platform and its database together, idle. */
const idleAtMost = 200 * 1024 * 1024

/** Targets are those of SPECIFICATION.md: cold starts differ by runtime. */
const coldTargets: Record<string, number> = { 'oci/runc': 40, namespaces: 12 }

/** Measures the sandboxes of a server from outside its process. */
export async function benchSandbox(options: SandboxBenchOptions): Promise<SandboxReport> {
  options.tell('starting')
  const prepare = options.driver === 'oci/runsc' ? withTools : undefined
  const platform = options.url ? existingPlatform(options.url) : await startPlatform({}, prepare)
  // Where pools come to exist for whatever is asked for often, nothing would start cold for long.
  const poolless = options.url ? platform : await startPlatform({ WARREN_POOL_SIZE: '0' }, prepare)
  const stop = () => Promise.all([platform.stop(), poolless.stop()])
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(130)))
  }
  try {
    return await measure({ platform, poolless }, options)
  } finally {
    options.tell('cleaning up')
    await stop()
  }
}

async function measure(
  { platform, poolless }: { platform: Platform; poolless: Platform },
  { driver, density: wanted, quick, tell }: SandboxBenchOptions,
): Promise<SandboxReport> {
  const input = driver ? { isolation: { driver } } : {}
  const client = await Client.open(platform)
  const probe = await client.create(input)
  await client.remove(probe.id)
  const { runtime, limits } = probe
  // Also for a server with pools: at first none holds sandboxes with such a disk.
  const coldInput = { limits: { diskMb: limits.diskMb + 1 } }
  const skipped = platform.own && driver !== 'oci/runsc' ? ['gVisor: measure it with --driver oci/runsc'] : []
  const series: Series[] = []

  tell('settling')
  await settle(client, quick)
  const idle = platform.own && platformMemory(platform.own)

  tell('references')
  series.push(...(await references(quick)))

  const times = quick ? 20 : 200
  tell('create, warm')
  const warm = { name: 'create to first output, warm', input, times, pauseMs: 100, warm: true }
  series.push(
    await createToFirstOutput(client, {
      ...warm,
      targets: [
        { percentile: 'p50', atMost: 8 },
        { percentile: 'p99', atMost: 40 },
      ],
    }),
  )
  tell('create, cold')
  const coldClient = await Client.open(poolless)
  series.push(await cold(coldClient, runtime.driver, { ...input, ...coldInput }, quick ? 10 : 100))
  series.push(await firstOfItsKind(coldClient, runtime.driver, { ...input, ...coldInput }, quick ? 5 : 50))
  tell('exec')
  series.push(await execSeries(client, runtime.driver, input, quick ? 100 : 1000))

  for (const other of await client.runtimes()) {
    if (!other.healthy || other.driver === runtime.driver || other.isolation === 'none') continue
    const named = { isolation: { driver: other.driver } }
    tell(`beside it: ${other.driver}`)
    series.push(
      await cold(coldClient, other.driver, { ...named, ...coldInput }, quick ? 5 : 50),
      await firstOfItsKind(coldClient, other.driver, { ...named, ...coldInput }, quick ? 5 : 30),
      await execSeries(client, other.driver, named, quick ? 50 : 300),
    )
  }

  tell('burst')
  series.push(await burst(platform, { callers: quick ? 20 : 100, input }))
  await settle(client, quick)
  tell('sustained')
  const stream = await sustained(platform, { callers: 12, seconds: quick ? 3 : 15, input })
  series.push(stream.series)
  await sleep(2000)

  let weighed: Density | undefined
  if (platform.own) {
    tell(`density of ${wanted}`)
    weighed = await density({ ...platform, own: platform.own }, wanted, input)
  } else
    skipped.push('density and idle memory: the server was not started by this bench, so its processes are not known')
  tell('neighbours')
  series.push(...(await neighbours(platform, { seconds: quick ? 2 : 10, input })))
  client.close()
  coldClient.close()

  return {
    bench: 'sandbox',
    at: new Date().toISOString(),
    runtime: { driver: runtime.driver, isolation: runtime.isolation, disk: runtime.disk },
    series,
    poolHitShare: stream.poolHitShare,
    createsPerSecond: stream.perSecond,
    ...(idle && {
      platformIdle: { ...idle, target: { pssBytesAtMost: idleAtMost, met: idle.pssBytes <= idleAtMost } },
    }),
    ...(weighed && { density: weighed }),
    skipped,
  }
}

/** The pool fills after the start, and again after a burst: what comes next must not be measured against that. */
async function settle(client: Client, quick: boolean): Promise<void> {
  let before: number | undefined
  for (let seconds = 0; seconds < 60; seconds++) {
    await sleep(1000)
    const ready = await client.poolReady()
    if (ready === undefined || ready === before) break
    before = ready
  }
  await sleep(quick ? 1000 : 3000)
}

/** The first is thrown away: it prepares what all sandboxes with such limits share. */
async function cold(client: Client, driver: string, input: object, times: number): Promise<Series> {
  const atMost = coldTargets[driver]
  const first = await client.create(input)
  await client.remove(first.id)
  const plan = {
    name: `create to first output, cold, ${driver}`,
    input,
    times,
    pauseMs: 100,
    warm: false,
  }
  return createToFirstOutput(client, { ...plan, ...(atMost && { targets: [{ percentile: 'p50', atMost }] }) })
}

/** Each with a memory limit that no other has: nothing of the start can have been prepared. */
function firstOfItsKind(client: Client, driver: string, input: { limits: object }, times: number): Promise<Series> {
  let memoryMb = 300
  const next = () => ({ ...input, limits: { ...input.limits, memoryMb: memoryMb++ } })
  const plan = { name: `create to first output, the first of its kind, ${driver}`, input: next, times, pauseMs: 100 }
  return createToFirstOutput(client, { ...plan, warm: false })
}

function execSeries(client: Client, driver: string, input: object, times: number): Promise<Series> {
  return execInRunning(client, {
    name: `exec in a running sandbox, ${driver}`,
    input,
    times,
    targets: [{ percentile: 'p50', atMost: 2 }],
  })
}
