import pg from 'pg'
import { staticServer } from './gateway/static-server.ts'
import { Client } from './measure/client.ts'
import { cpuSeconds } from './measure/cpu-seconds.ts'
import { type Figure, figure } from './measure/figure.ts'
import { HttpConnection } from './measure/http-connection.ts'
import { type Platform, startPlatform, withTools } from './measure/platform.ts'
import { Recorder, type Series } from './measure/series.ts'

export interface GatewayReport {
  bench: 'gateway'
  at: string
  series: Series[]
  figures: Figure[]
}

type Server = Pick<Platform, 'url' | 'apiKey'>

/** Answers from memory, so that what it costs is the way there and back. */
const fromMemory = '/v1/runtimes'
const atOnce = 16
const rounds = 5

/** Measures what everybody passes on the way in, on a server of its own, with a bare HTTP server beside it in the same run. */
export async function benchGateway({
  quick,
  tell,
}: {
  quick: boolean
  tell: (line: string) => void
}): Promise<GatewayReport> {
  // No limit of a rate ends the run, but each is counted.
  const most = '100000000'
  const rates = { WARREN_RATE_KEY: most, WARREN_RATE_ORGANISATION: most, WARREN_RATE_SANDBOX: most }
  const platform = await startPlatform({ ...rates, WARREN_POOL_SIZE: '0' }, withTools)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void platform.stop().finally(() => process.exit(130)))
  try {
    const admin = await HttpConnection.open(platform.url, platform.apiKey)
    const made = await json<{ id: string; key: string }>(admin, 'POST', '/v1/keys', {
      name: 'bench',
      role: 'developer',
    })
    const caller = { url: platform.url, apiKey: made.key }
    const requests = quick ? 1000 : 20_000
    const { series, added } = await chain(caller, platform.own!.pid, requests, tell)

    tell('reads')
    const client = await Client.open(platform)
    const ids: string[] = []
    for (let one = 0; one < atOnce; one++) ids.push((await client.create({})).id)
    const paths = ids.map((id) => `/v1/sandboxes/${id}`)
    await many(caller, paths, requests / 10)
    const startedAt = performance.now()
    await many(caller, paths, requests)
    const perSecond = requests / ((performance.now() - startedAt) / 1000)
    for (const id of ids) await client.remove(id)
    client.close()

    tell('a key is taken away by another process')
    const revokedMs = await revocation(caller, made.id, platform.own!.home)
    admin.close()
    return {
      bench: 'gateway',
      at: new Date().toISOString(),
      series,
      figures: [
        figure('processor time a request takes over a bare server', added, 'µs', { most: 60 }),
        figure(`authenticated reads of ${atOnce} sandboxes`, perSecond, '/s', { least: 2000 }),
        figure('a key another process takes away is refused after', revokedMs, 'ms', { most: 1000 }),
      ],
    }
  } finally {
    await platform.stop()
  }
}

/** The whole way of a request whose answer costs nothing, by turns with a server that does nothing else. */
async function chain(caller: Server, pid: number, requests: number, tell: (line: string) => void) {
  tell('the way in')
  const connection = await HttpConnection.open(caller.url, caller.apiKey)
  const { body } = await connection.request('GET', fromMemory)
  const bare = await staticServer(body)
  try {
    const directly = await HttpConnection.open(bare.url, undefined)
    const [called, direct] = [new Recorder(), new Recorder()]
    for (let index = 0; index < requests / 20; index++) {
      await called.time(() => connection.request('GET', fromMemory))
      await direct.time(() => directly.request('GET', fromMemory))
    }
    connection.close()
    directly.close()
    const each: number[] = []
    for (let round = 0; round < rounds; round++) {
      const through = await cpuMicros(caller, pid, requests)
      const past = await cpuMicros({ url: bare.url, apiKey: undefined }, bare.pid, requests)
      each.push(through - past)
    }
    const added = each.sort((one, other) => one - other)[Math.floor(rounds / 2)]!
    const series = [called.series('authenticated GET, c=1'), direct.series('reference: bare node:http, c=1')]
    return { series, added }
  } finally {
    bare.stop()
  }
}

/** Processor time of the server for each request, microseconds. */
async function cpuMicros(server: Server, pid: number, requests: number): Promise<number> {
  await many(server, [fromMemory], requests / 10)
  const before = cpuSeconds([pid])
  await many(server, [fromMemory], requests)
  return ((cpuSeconds([pid]) - before) * 1_000_000) / requests
}

/** By as many callers at once as there are in all, each with an address of its own where there are several. */
async function many(server: Server, paths: readonly string[], requests: number): Promise<void> {
  let left = requests
  const work = async (caller: number) => {
    const path = paths[caller % paths.length]!
    const connection = await HttpConnection.open(server.url, server.apiKey)
    while (left-- > 0) {
      const { status } = await connection.request('GET', path)
      if (status !== 200) throw new Error(`GET ${path}: HTTP ${status}`)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: atOnce }, (_, caller) => work(caller)))
}

/** How long a key works on that is taken out of the database behind the platform's back, milliseconds. */
async function revocation(caller: Server, id: string, home: string): Promise<number> {
  const database = new pg.Client({ host: `${home}/postgres/data`, user: 'warren', database: 'postgres' })
  await database.connect()
  const connection = await HttpConnection.open(caller.url, caller.apiKey)
  try {
    await connection.request('GET', fromMemory)
    await database.query('delete from keys where id = $1', [id])
    const removedAt = performance.now()
    while ((await connection.request('GET', fromMemory)).status === 200);
    return performance.now() - removedAt
  } finally {
    connection.close()
    await database.end()
  }
}

async function json<T>(connection: HttpConnection, method: string, path: string, input: unknown): Promise<T> {
  const { status, body } = await connection.request(method, path, input)
  if (status >= 300) throw new Error(`${method} ${path}: HTTP ${status} ${body.toString().slice(0, 200)}`)
  return JSON.parse(body.toString())
}
