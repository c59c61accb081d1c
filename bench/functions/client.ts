import { setTimeout as sleep } from 'node:timers/promises'
import { HttpConnection } from '../measure/http-connection.ts'

interface Server {
  url: string
  apiKey: string | undefined
}

const event = { name: 'Ada' }
const atOnce = 32
const mostWaitMs = 120_000

/** The calls that are measured, over one raw connection. */
export class FunctionClient {
  readonly #server: Server
  readonly #connection: HttpConnection

  private constructor(server: Server, connection: HttpConnection) {
    this.#server = server
    this.#connection = connection
  }

  static async open(server: Server): Promise<FunctionClient> {
    return new FunctionClient(server, await HttpConnection.open(server.url, server.apiKey))
  }

  async deploy(name: string, runtime: string, files: Record<string, string>, settings: object = {}): Promise<void> {
    const encoded = Object.entries(files).map(([path, text]) => [path, Buffer.from(text).toString('base64')])
    await this.#json('PUT', `/v1/functions/${name}`, { runtime, files: Object.fromEntries(encoded), settings })
  }

  async invoke(name: string): Promise<void> {
    const { hello } = await this.#json<{ hello: string }>('POST', `/v1/functions/${name}/invoke`, event)
    if (hello !== event.name) throw new Error(`the function answered ${hello}`)
  }

  /** Queues so many calls, several at once, and waits until all are made. Answers how many that is in a second. */
  async enqueueAll(name: string, calls: number): Promise<number> {
    const startedAt = performance.now()
    const made = async () =>
      (await this.#json<{ counts: { invocations: number } }>('GET', `/v1/functions/${name}`)).counts.invocations
    const before = await made()
    await inParallel(this.#server, calls, `/v1/functions/${name}/invocations`)
    while ((await made()) < before + calls) await sleep(20)
    return calls / ((performance.now() - startedAt) / 1000)
  }

  /** A figure of the platform's own. */
  async metric(name: string): Promise<number> {
    const { body } = await this.#connection.request('GET', '/metrics')
    const line = body
      .toString()
      .split('\n')
      .find((text) => text.startsWith(`${name} `))
    if (line === undefined) throw new Error(`/metrics has no ${name}`)
    return Number(line.slice(name.length))
  }

  /** Waits until so many workers wait for code. */
  async waitForWorkers(count: number): Promise<void> {
    for (const until = performance.now() + mostWaitMs; performance.now() < until; await sleep(20))
      if ((await this.metric('function_workers_ready')) >= count) return
    throw new Error(`${count} workers were not ready within ${mostWaitMs} ms`)
  }

  close(): void {
    this.#connection.close()
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.#connection.request(method, path, body)
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: HTTP ${answer.status} ${answer.body.toString().slice(0, 300)}`)
    return JSON.parse(answer.body.toString())
  }
}

/** Seconds of processor time that so many requests take, by what `used` says before and after. */
export async function many(server: Server, name: string, requests: number, used: () => number): Promise<number> {
  await inParallel(server, requests / 10, `/v1/functions/${name}/invoke`)
  const before = used()
  await inParallel(server, requests, `/v1/functions/${name}/invoke`)
  return used() - before
}

async function inParallel(server: Server, requests: number, path: string): Promise<void> {
  let left = requests
  const work = async () => {
    const connection = await HttpConnection.open(server.url, server.apiKey)
    while (left-- > 0) {
      const { status, body } = await connection.request('POST', path, event)
      if (status >= 300) throw new Error(`POST ${path}: HTTP ${status} ${body.toString().slice(0, 200)}`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}
