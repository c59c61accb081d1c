import { setTimeout as sleep } from 'node:timers/promises'
import { startPlatform, withTools } from '../measure/platform.ts'
import { Recorder, type Series } from '../measure/series.ts'
import { FunctionClient } from './client.ts'
import { type Code, node, python } from './codes.ts'

/** The first call of each of so many functions with this code, each when as many workers wait again as did at first. */
export async function coldStarts(
  client: FunctionClient,
  code: Code,
  { samples, workers }: { samples: number; workers: number },
): Promise<Series> {
  const { runtime, files, settings, targets } = code
  const names = Array.from({ length: samples }, (_, at) => `cold-${code.name.replace(/\W+/g, '-')}-${at}`)
  for (const name of names) await client.deploy(name, runtime, files, settings)
  const cold = new Recorder()
  for (const name of names) {
    await client.waitForWorkers(workers)
    await cold.time(() => client.invoke(name))
  }
  return cold.series(`cold start from the pool: ${code.name}`, { targets })
}

/** The same where no worker waits: a sandbox is started for each. On a platform of its own. */
export async function coldStartsWithoutPool(driver: string, samples: number): Promise<Series[]> {
  const settings = { WARREN_FUNCTION_DRIVER: driver, WARREN_FUNCTION_POOL: '0', WARREN_POOL_SIZE: '0' }
  const platform = await startPlatform({ ...settings, WARREN_FUNCTION_INSTANCES: '1000' }, withTools)
  try {
    const client = await FunctionClient.open(platform)
    const found: Series[] = []
    for (const [code, atMost] of [
      [node, 80],
      [python, 30],
    ] as const) {
      const cold = new Recorder()
      for (let at = 0; at < samples; at++) {
        await client.deploy(`${code.runtime}-${at}`, code.runtime, code.files)
        // The worker that tried the code is being removed.
        await sleep(200)
        await cold.time(() => client.invoke(`${code.runtime}-${at}`))
      }
      found.push(cold.series(`cold start, the pool empty: ${code.name}`, { targets: [{ percentile: 'p50', atMost }] }))
    }
    client.close()
    return found
  } finally {
    await platform.stop()
  }
}
