import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../measure/client.ts'
import { Recorder, type Series, type Target } from '../measure/series.ts'
import { isEmulated, type Measured, type Measurement } from './measurement.ts'

const targets: Target[] = [{ percentile: 'p50', atMost: 15 }]
const snippet =
  'import pandas as pd\nint(pd.DataFrame({"kind": ["a", "b", "a"], "count": [1, 2, 3]}).groupby("kind")["count"].sum()["a"])'
const expected = '4'
/** Room for ten contexts where each holds 70 MiB, as in gVisor, which copies 2 MiB where one page is written to. */
const memoryMb = 2048

interface ZygotePlan {
  driver: string
  times: number
  /** Rest between two; the service forks ahead for the next context while nobody asks. 0: each waits for its fork. */
  pauseMs: number
}

/** In each runtime that has pandas: with a rest between two, in which the service forks ahead, and without. */
export const measureZygote: Measurement = async ({ client, quick, runtimes }) => {
  const measured: Measured = { series: [], skipped: [] }
  for (const { driver } of runtimes.filter((runtime) => runtime.healthy && !isEmulated(runtime))) {
    for (const pauseMs of [200, 0]) {
      try {
        measured.series.push(await zygoteFork(client, { driver, times: quick ? 5 : 30, pauseMs }))
      } catch (error) {
        measured.skipped.push(`zygote fork, ${driver}: ${(error as Error).message}`)
      }
    }
  }
  return measured
}

/** From the request for a context to a result of pandas in it, in one sandbox of `driver`; each context is removed again. */
async function zygoteFork(client: Client, { driver, times, pauseMs }: ZygotePlan): Promise<Series> {
  const { id } = await client.create({ isolation: { driver }, limits: { memoryMb } })
  try {
    const recorder = new Recorder()
    await client.removeContext(id, await contextWithResult(client, id)) // this one waits for the libraries
    for (let index = 0; index < times; index++) {
      const contextId = await recorder.time(() => contextWithResult(client, id))
      if (contextId) await client.removeContext(id, contextId)
      await sleep(pauseMs)
    }
    const memory = await privateMemory(client, id)
    const note = memory && `${memory} of its own for an idle one`
    const name = `zygote fork to a pandas result, ${driver}${pauseMs > 0 ? '' : ', without pause'}`
    return recorder.series(name, { targets, note })
  } finally {
    await client.remove(id)
  }
}

async function contextWithResult(client: Client, id: string): Promise<string> {
  const contextId = await client.createContext(id)
  const { result } = await client.executeInContext(id, contextId, snippet)
  if (result !== expected) throw new Error(`pandas answered ${result}`)
  return contextId
}

/** What an idle fork shares with nobody, by the sandbox's own kernel; undefined where that does not say. */
async function privateMemory(client: Client, id: string): Promise<string | undefined> {
  const contextId = await client.createContext(id)
  for (let others = 0; others < 7; others++) await client.createContext(id)
  const { result: pid } = await client.executeInContext(id, contextId, '__import__("os").getpid()')
  const rollup = await client.execute(id, `cat /proc/${pid}/smaps_rollup 2>/dev/null || true`)
  const kilobytes = [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].map(([, number]) => Number(number))
  if (kilobytes.length === 0) return undefined
  return `${(kilobytes.reduce((sum, part) => sum + part, 0) / 1024).toFixed(1)} MiB`
}
