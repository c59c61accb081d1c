import { setTimeout as sleep } from 'node:timers/promises'
import { isEmulated, type Measured, type Measurement } from '../ladder/measurement.ts'
import type { Client } from '../measure/client.ts'
import { Recorder, type Series } from '../measure/series.ts'

const plot = 'import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.title("first")\nplt.show()'

interface Plan {
  driver: string
  times: number
}

/** In each runtime: a new context of each language, and the first plot in a new context of Python. */
export const measureInterpreter: Measurement = async ({ client, quick, runtimes }) => {
  const measured: Measured = { series: [], skipped: [] }
  for (const { driver } of runtimes.filter((runtime) => runtime.healthy && !isEmulated(runtime))) {
    const plan = { driver, times: quick ? 5 : 30 }
    for (const [what, measure] of [
      ['contexts of Python', creation],
      ['first plot', firstPlot],
      ['contexts of JavaScript', javascript],
    ] as const) {
      try {
        measured.series.push(await measure(client, plan))
      } catch (error) {
        measured.skipped.push(`${what}, ${driver}: ${(error as Error).message}`)
      }
    }
  }
  return measured
}

/** The request alone; what the sandbox uses then is told beside. */
async function creation(client: Client, { driver, times }: Plan): Promise<Series> {
  return inSandbox(client, driver, async (id) => {
    const recorder = new Recorder()
    for (let index = 0; index < times; index++) {
      const contextId = await recorder.time(() => client.createContext(id))
      if (contextId) await client.removeContext(id, contextId)
      await sleep(200)
    }
    const note = await memoryOfOne(client, id)
    return recorder.series(`context created, ${driver}`, { targets: [{ percentile: 'p50', atMost: 20 }], note })
  })
}

/** From the request to the picture, in a context in which nothing has run. */
async function firstPlot(client: Client, { driver, times }: Plan): Promise<Series> {
  return inSandbox(client, driver, async (id) => {
    const recorder = new Recorder()
    for (let index = 0; index < times; index++) {
      const contextId = await client.createContext(id)
      await sleep(200)
      await recorder.time(async () => {
        const { results } = await client.executeInContext(id, contextId, plot)
        if (!results.some(({ png }) => png)) throw new Error('no picture came')
      })
      await client.removeContext(id, contextId)
    }
    return recorder.series(`first plot, ${driver}`, { targets: [{ percentile: 'p50', atMost: 150 }] })
  })
}

async function javascript(client: Client, { driver, times }: Plan): Promise<Series> {
  return inSandbox(client, driver, async (id) => {
    const recorder = new Recorder()
    await client.removeContext(id, await client.createContext(id, 'javascript')) // this one brings its program along
    for (let index = 0; index < times; index++) {
      const contextId = await recorder.time(async () => {
        const contextId = await client.createContext(id, 'javascript')
        await client.executeInContext(id, contextId, '1 + 1')
        return contextId
      })
      if (contextId) await client.removeContext(id, contextId)
    }
    return recorder.series(`context of JavaScript to a value, ${driver}`, { targets: [] })
  })
}

/** In a sandbox whose first context has been made: that one waits for the libraries. */
async function inSandbox(client: Client, driver: string, measure: (id: string) => Promise<Series>): Promise<Series> {
  const { id } = await client.create({ isolation: { driver }, limits: { memoryMb: 2048 } })
  try {
    await client.removeContext(id, await client.createContext(id))
    await sleep(500)
    return await measure(id)
  } finally {
    await client.remove(id)
  }
}

/** By how much a sandbox grows with a context, as its host counts: what a runtime copies at a fork shows only there. */
async function memoryOfOne(client: Client, id: string): Promise<string | undefined> {
  const others = 4
  const before = await client.memoryBytes(id)
  for (let index = 0; index < others; index++) {
    await client.createContext(id)
    await sleep(500)
  }
  const after = await client.memoryBytes(id)
  if (before === undefined || after === undefined) return undefined
  return `${((after - before) / others / 1024 / 1024).toFixed(1)} MiB of the host's memory for each that is idle`
}
