import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { type Platform, until } from '../platform.ts'
import { equal } from './function-verbs.ts'
import { queryRows } from './leftovers.ts'
import { untilAlive } from './quota-verbs.ts'
import type { Verb } from './verbs.ts'

/** Many more than are sent to one address until it is left alone. */
const count = 24

interface Waiting {
  expired: boolean
  next_at: Date | null
}

/** Deliveries to an address that fails, whose time is over when nobody asks it any more. */
export function giveUpVerb(): Verb {
  let round = 0
  let endpoint: Endpoint
  const buckets = () => Array.from({ length: count }, (_, at) => `kept-${round}-${at}`)
  return {
    name: 'giving up what waits for an address that fails',
    own: /^webhook\.give_up$/,
    async prepare(platform) {
      round++
      // What a process has found out about other addresses is nothing to this one.
      await platform.kill('SIGKILL')
      await platform.start()
      endpoint = await openEndpoint()
      return (await platform.json('POST', '/v1/webhooks', { url: endpoint.url, events: ['bucket.*'] })).id
    },
    async act(platform, id) {
      for (const name of buckets()) await platform.json('POST', '/v1/buckets', { name })
      const waits = async () => (await waiting(platform, id)).length
      await untilAlive(platform, 'all are to be told', async () => (await waits()) === count)
      const past = `update webhook_deliveries set until = now() - interval '1 minute' where webhook_id = '${id}' returning id`
      equal((await queryRows(platform.home, past)).length, count)
      // This one comes after something that is given up, and has time enough.
      await platform.json('DELETE', `/v1/buckets/${buckets().at(-1)}`)
      await untilAlive(platform, 'the last is too', async () => (await waits()) === count + 1)
      endpoint.fail()
      await untilAlive(platform, 'the others are given up', async () => (await waits()) === 1)
    },
    async settled(platform, id) {
      endpoint.fail()
      const late = async () => (await waiting(platform, id)).filter(({ expired }) => expired).length
      await until('what is too late is given up', async () => (await late()) === 0, 60_000)
      // Nobody waits for what is over: of each subject the first has a time.
      equal(
        (await waiting(platform, id)).filter(({ next_at }) => next_at === null),
        [],
      )
      endpoint.succeed()
      const untold = `select id from webhook_deliveries where webhook_id = '${id}' and state <> 'delivered'`
      const isTold = async () => {
        await platform.json('POST', `/v1/webhooks/${id}/replay`, {})
        return (await queryRows(platform.home, untold)).length === 0
      }
      await until('it is told all when it is back', isTold, 60_000)
      await platform.json('DELETE', `/v1/webhooks/${id}`)
      for (const name of buckets()) await platform.call('DELETE', `/v1/buckets/${name}`)
      endpoint.close()
    },
  }
}

function waiting(platform: Platform, id: string): Promise<Waiting[]> {
  return queryRows(
    platform.home,
    `select until < now() as expired, next_at from webhook_deliveries where webhook_id = '${id}' and state = 'waiting'`,
  )
}

interface Endpoint {
  url: string
  fail: () => void
  succeed: () => void
  close: () => void
}

/** It lets everybody wait until it is said what it answers. */
async function openEndpoint(): Promise<Endpoint> {
  const { promise: decided, resolve: fail } = Promise.withResolvers<void>()
  let status = 500
  const server = createServer(async (request, response) => {
    request.resume()
    await decided
    response.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  after(close)
  const succeed = () => {
    status = 204
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, fail, succeed, close }
}
