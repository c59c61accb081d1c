import { spawnSync } from 'node:child_process'
import { bareServer } from './functions/bare-server.ts'
import { FunctionClient, many } from './functions/client.ts'
import { largeNode, node, numpy, python } from './functions/codes.ts'
import { coldStarts, coldStartsWithoutPool } from './functions/cold-starts.ts'
import { frozenTime, idleMemory } from './functions/idle.ts'
import { workersOf } from './functions/workers.ts'
import { cpuSeconds } from './measure/cpu-seconds.ts'
import { type Figure, figure } from './measure/figure.ts'
import { startPlatform, withTools } from './measure/platform.ts'
import { Recorder, type Series } from './measure/series.ts'

export interface FunctionsReport {
  bench: 'functions'
  at: string
  driver: string
  series: Series[]
  figures: Figure[]
}

export const functionSections = [
  ...['empty-pool', 'idle', 'cold-node', 'cold-python', 'cold-bundle', 'cold-numpy'],
  ...['frozen', 'warm', 'throughput', 'asynchronous'],
] as const

/** Measures functions on a server of its own, in fully isolated workers, with a bare HTTP server beside it in the same run. */
export async function benchFunctions(options: {
  driver: string | undefined
  quick: boolean
  /** Sections to measure; without it all. */
  only: readonly string[] | undefined
  tell: (line: string) => void
}): Promise<FunctionsReport> {
  const { quick, tell, only, driver = 'namespaces' } = options
  const wants = (...sections: readonly string[]) => only === undefined || sections.some((one) => only.includes(one))
  const samples = quick ? 5 : 100
  const pool = quick ? 2 : 20
  const settings = {
    ...{ WARREN_FUNCTION_DRIVER: driver, WARREN_FUNCTION_POOL: String(pool), WARREN_POOL_SIZE: '0' },
    // What was called stays, frozen.
    ...{ WARREN_FUNCTION_INSTANCES: '2000', WARREN_FUNCTION_FORECASTS: 'no' },
  }
  const report: FunctionsReport = { bench: 'functions', at: new Date().toISOString(), driver, series: [], figures: [] }
  if (wants('empty-pool')) {
    tell('cold starts with an empty pool')
    report.series.push(...(await coldStartsWithoutPool(driver, quick ? 3 : 30)))
  }
  if (only?.every((section) => section === 'empty-pool')) return report
  const platform = await startPlatform(settings, withTools)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void platform.stop().finally(() => process.exit(130)))
  try {
    const client = await FunctionClient.open(platform)
    const { home, pid } = platform.own!
    tell('idle workers')
    for (const { runtime, files } of [node, python]) await client.deploy(`first-${runtime}`, runtime, files)
    await client.waitForWorkers(2 * pool)
    if (wants('idle')) report.figures.push(...idleMemory(home))

    for (const code of [node, python, largeNode, numpy]) {
      if (!wants(code.section)) continue
      if (code === numpy && spawnSync('/usr/bin/python3', ['-c', 'import numpy']).status !== 0) {
        tell('no numpy on this host: its cold starts are left out')
        continue
      }
      tell(`cold starts: ${code.name}`)
      const workers = (code === numpy ? 3 : 2) * pool
      report.series.push(await coldStarts(client, code, { samples, workers }))
    }

    if (wants('frozen')) {
      tell('frozen instances')
      report.figures.push(await frozenTime(client, home))
    }

    await client.deploy('warm', 'node24', node.files, { concurrency: 64, maxInstances: 1 })
    const bare = await bareServer()
    try {
      if (wants('warm')) {
        tell('warm calls')
        const warm = new Recorder()
        const direct = new Recorder()
        const directly = await FunctionClient.open({ url: bare.url, apiKey: undefined })
        for (let i = 0; i < samples * 10; i++) {
          await warm.time(() => client.invoke('warm'))
          await direct.time(() => directly.invoke('warm'))
        }
        directly.close()
        const [called, reference] = [warm.series('warm call, c=1'), direct.series('bare node:http, c=1')]
        report.series.push(called, reference)
        report.figures.push(figure('added by the platform, p50', called.p50 - reference.p50, 'ms', { most: 0.1 }))
      }

      if (wants('throughput')) {
        tell('throughput')
        const requests = quick ? 400 : 10_000
        const bareServerAt = { url: bare.url, apiKey: undefined }
        const ours = () => cpuSeconds([pid, ...workersOf(home).map((worker) => worker.pid)])
        const spent = { ours: 0, bare: 0 }
        // In turns, so that what else the machine does meets both.
        for (let round = 0; round < 5; round++) {
          spent.ours += await many(platform, 'warm', requests, ours)
          spent.bare += await many(bareServerAt, 'warm', requests, () => cpuSeconds([bare.pid]))
        }
        report.figures.push(
          figure('requests per CPU-second, of a bare server', (100 * spent.bare) / spent.ours, '%', { least: 45 }),
        )
      }
    } finally {
      bare.stop()
    }

    if (wants('asynchronous')) {
      tell('asynchronous calls')
      const calls = quick ? 500 : 10_000
      const perSecond = await client.enqueueAll('warm', calls)
      report.figures.push(figure('asynchronous calls taken and made', perSecond, '/s', { least: 1500 }))
    }
    client.close()
    return report
  } finally {
    await platform.stop()
  }
}
