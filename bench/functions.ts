import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { bareServer } from './functions/bare-server.ts'
import { FunctionClient, many } from './functions/client.ts'
import { privateDirtyBytes, workersOf } from './functions/workers.ts'
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

const node = {
  'index.js': "exports.handler = async (event) => ({ hello: event.name ?? 'world' })\n".padEnd(5000, '// '),
}
const python = {
  'main.py': 'def handler(event, context):\n    return {"hello": event.get("name", "world")}\n'.padEnd(5000, '#'),
}
const numpy = {
  'main.py':
    'import numpy\ndef handler(event, context):\n    return {"hello": event["name"] * int(numpy.arange(2).sum())}\n'.padEnd(
      5000,
      '#',
    ),
}
/** The pool has filled up again after so long, milliseconds. */
const refillMs = 400

/** Measures functions on a server of its own, in fully isolated workers, with a bare HTTP server beside it in the same run. */
export async function benchFunctions(options: {
  driver: string | undefined
  quick: boolean
  tell: (line: string) => void
}): Promise<FunctionsReport> {
  const { quick, tell, driver = 'namespaces' } = options
  const samples = quick ? 5 : 100
  const settings = { WARREN_FUNCTION_DRIVER: driver, WARREN_FUNCTION_POOL: quick ? '2' : '20', WARREN_POOL_SIZE: '0' }
  const platform = await startPlatform(settings, withTools)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void platform.stop().finally(() => process.exit(130)))
  const report: FunctionsReport = { bench: 'functions', at: new Date().toISOString(), driver, series: [], figures: [] }
  try {
    const client = await FunctionClient.open(platform)
    for (const [runtime, files, targets] of [
      ['node24', node, { p50: 3, p99: 8 }],
      ['python3', python, { p50: 4, p99: 10 }],
      ['numpy', numpy, { p50: 6, p99: 15 }],
    ] as const) {
      if (runtime === 'numpy' && spawnSync('/usr/bin/python3', ['-c', 'import numpy']).status !== 0) {
        tell('no numpy on this host: its cold starts are left out')
        continue
      }
      tell(`cold starts of ${runtime}`)
      const cold = new Recorder()
      const [name, settings] = runtime === 'numpy' ? (['python3', { preload: ['numpy'] }] as const) : [runtime, {}]
      for (let i = 0; i < samples; i++) await client.deploy(`${runtime}-${i}`, name, files, settings)
      await sleep(quick ? 2000 : 10_000)
      for (let i = 0; i < samples; i++) {
        await cold.time(() => client.invoke(`${runtime}-${i}`))
        await sleep(refillMs)
      }
      const promised = (['p50', 'p99'] as const).map((percentile) => ({ percentile, atMost: targets[percentile] }))
      report.series.push(cold.series(`cold start from the pool, ${runtime}, 5 kB`, { targets: promised }))
    }

    tell('idle workers')
    const { home, pid } = platform.own!
    for (const [name, most] of [
      ['node', 8],
      ['python', 2.5],
    ] as const) {
      const workers = workersOf(home).filter(({ command }) => command.includes(name === 'node' ? ' -e ' : ' -c '))
      const mib = privateDirtyBytes(workers.map((worker) => worker.pid)) / Math.max(1, workers.length) / 2 ** 20
      report.figures.push(
        figure(`private dirty memory of an idle ${name} worker, of ${workers.length}`, mib, 'MiB', { most }),
      )
    }

    tell('warm calls')
    await client.deploy('warm', 'node24', node, { concurrency: 64, maxInstances: 1 })
    const bare = await bareServer()
    try {
      const warm = new Recorder()
      const direct = new Recorder()
      const directly = await FunctionClient.open({ url: bare.url, apiKey: undefined })
      for (let i = 0; i < samples * 10; i++) {
        await warm.time(() => client.invoke('warm'))
        await direct.time(() => directly.invoke('warm'))
      }
      const [called, reference] = [warm.series('warm call, c=1'), direct.series('bare node:http, c=1')]
      report.series.push(called, reference)
      report.figures.push(figure('added by the platform, p50', called.p50 - reference.p50, 'ms', { most: 0.1 }))

      tell('throughput')
      const requests = quick ? 2000 : 50_000
      const pids = () => [pid, ...workersOf(home).map((worker) => worker.pid)]
      const perCpu = await many(platform, 'warm', requests, () => cpuSeconds(pids()))
      const barePerCpu = await many({ url: bare.url, apiKey: undefined }, 'warm', requests, () =>
        cpuSeconds([bare.pid]),
      )
      report.figures.push(
        figure('requests per CPU-second, of a bare server', (100 * perCpu) / barePerCpu, '%', { least: 45 }),
      )
    } finally {
      bare.stop()
    }

    tell('asynchronous calls')
    const calls = quick ? 500 : 10_000
    const perSecond = await client.enqueueAll('warm', calls)
    report.figures.push(figure('asynchronous calls taken and made', perSecond, '/s', { least: 1500 }))
    client.close()
    return report
  } finally {
    await platform.stop()
  }
}
