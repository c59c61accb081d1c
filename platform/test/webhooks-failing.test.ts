import assert from 'node:assert/strict'
import net from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { type Answer, startPlatform, until } from './platform.ts'
import { type Received, receive } from './webhook-receiver.ts'

/** Endpoints that are down, slow, or fail for long: what becomes of what they were to be told, and of the others. */
const platform = await startPlatform(
  { WARREN_WEBHOOK_OPEN: '127.0.0.0/8', WARREN_POOL_SIZE: '0' },
  { preload: { module: fileURLToPath(new URL('moved-clock.ts', import.meta.url)), onMessage: () => {} } },
)
const database = new pg.Pool({ host: join(platform.home, 'postgres', 'data'), user: 'warren', database: 'postgres' })
database.on('error', () => {})
after(() => database.end())

test('what an endpoint missed that was down for a day is dead, and replayed in order when it is back', async () => {
  let refused = 0
  const receiver = await receive(({ body }) => (body.data.name === 'two' && refused-- > 0 ? 500 : 204))
  await receiver.close()
  const id = await create(receiver.url, ['volume.*'])
  await volume('one')
  await platform.call('DELETE', '/v1/volumes/one')
  await volume('two')
  await until('the first of each was tried', async () => {
    const tried = (await deliveriesOf(id)).filter(({ attempts }) => attempts.length > 0)
    return tried.length === 2 && tried.every(({ attempts }) => /ECONNREFUSED/.test(attempts[0].error))
  })
  await aDayGoesBy(id)
  const dead: Answer[] = await until(
    'all of it is given up',
    async () => {
      const found = await deliveriesOf(id, 'dead')
      return found.length === 3 ? found : undefined
    },
    30_000,
  )
  assert.ok(dead.every(({ nextAt, attempts }) => nextAt === undefined && attempts.length > 0))
  assert.deepEqual(await deliveriesOf(id, 'waiting'), [])

  // What happens meanwhile is due already, and must not come before what is replayed of the same subject.
  await platform.call('DELETE', '/v1/volumes/two')
  await until('it waits', async () => (await deliveriesOf(id, 'waiting'))[0]?.nextAt !== undefined)
  refused = 1
  await receiver.listen()
  assert.equal((await platform.json('POST', `/v1/webhooks/${id}/replay`)).replayed, 3)
  await until('the refusal is recorded', async () =>
    (await deliveriesOf(id)).some(({ attempts }) => /answered 500/.test(attempts.at(-1)?.error ?? '')),
  )
  const again = (await deliveriesOf(id, 'waiting')).find(({ type }) => type === 'volume.created')
  const { at, durationMs } = again.attempts.at(-1)
  const waitMs = Date.parse(again.nextAt) - Date.parse(at) - durationMs
  assert.ok(waitMs <= 6_500, `a replay begins anew: 5 s and a fifth, not ${waitMs} ms`)
  await until('all has arrived', () => receiver.got.length === 5, 30_000)
  assert.deepEqual(typesOf(receiver.got, 'one'), ['volume.created', 'volume.deleted'])
  assert.deepEqual(typesOf(receiver.got, 'two'), ['volume.created', 'volume.created', 'volume.deleted'])
  await until('all is delivered', async () => (await deliveriesOf(id, 'delivered')).length === 4)
  assert.equal((await platform.json('POST', `/v1/webhooks/${id}/replay`)).replayed, 0, 'nothing is dead any more')
  await platform.call('DELETE', `/v1/webhooks/${id}`)
})

test('an endpoint that keeps failing is left alone, tried by one delivery, and told all when it is back; others go on', async () => {
  let isBack = false
  const failing = await receive(() => (isBack ? 204 : 500))
  const quick = await receive()
  // More than are looked at together: what waits for these must not hide what waits for others.
  const count = 17
  const ids = await Promise.all(
    Array.from({ length: count }, (_, at) => create(`${failing.url}/${at}`, ['volume.created'])),
  )
  const other = await create(quick.url, ['volume.created'])
  await Promise.all([1, 2, 3, 4, 5].map((at) => volume(`fails${at}`)))
  await until(
    'each has failed five times in a row',
    async () => {
      const attempts = await attemptsOf(ids)
      const all = attempts.reduce((sum, one) => sum + one, 0)
      return attempts.length === count && attempts.every((one) => one >= 5) && all === failing.got.length
    },
    60_000,
  )
  const asked = failing.got.length
  await volume('kept-back')
  await heard('kept-back')
  const due = `select count(*)::integer as n from webhook_deliveries
    where webhook_id = any($1) and state = 'waiting' and next_at <= now()`
  await until('all have been due again', async () => {
    const { rows } = await database.query(due, [ids])
    return rows[0].n === 6 * count
  })
  await volume('kept-back-too')
  await heard('kept-back-too')
  assert.equal(failing.got.length, asked)

  // What nobody may be told any more is given up, though it is not tried for a last time.
  const late = `update webhook_deliveries set until = now() - interval '1 minute'
    where webhook_id = $1 and body like '%"kept-back-too"%' returning id`
  const [{ id: lateId }] = (await database.query(late, [ids[0]])).rows
  platform.process.send!({ waitedMs: 31_000 })
  await volume('wakes')
  await until('it is dead', async () => (await deliveriesOf(ids[0]!, 'dead')).some(({ id }) => id === lateId))
  assert.equal((await deliveriesOf(ids[0]!, 'dead'))[0].attempts.length, 0)
  assert.equal(failing.got.length, asked)

  platform.process.send!({ waitedMs: 100_000 })
  await volume('half-open')
  await until(
    'each was tried once more',
    async () => (await attemptsOf(ids)).reduce((sum, one) => sum + one) === asked + count,
  )
  await volume('still-open')
  await heard('still-open')
  assert.equal(failing.got.length, asked + count)
  assert.equal(new Set(failing.got.slice(asked).map(({ path }) => path)).size, count)

  isBack = true
  const { delivery } = await platform.json('POST', `/v1/webhooks/${ids[1]}/test`)
  await until('who asks for it is told at once', () =>
    failing.got.some(({ headers }) => headers['webhook-id'] === delivery),
  )
  platform.process.send!({ waitedMs: 200_000 })
  await volume('back')
  const names = [1, 2, 3, 4, 5]
    .map((at) => `fails${at}`)
    .concat('kept-back', 'wakes', 'half-open', 'still-open', 'back')
  await until(
    'all was told',
    async () => {
      const { rows } = await database.query(
        `select count(*)::integer as n from webhook_deliveries where webhook_id = any($1) and state = 'delivered'`,
        [ids],
      )
      return rows[0].n === names.length * count + count
    },
    60_000,
  )
  const toFirst = failing.got.slice(asked + count).filter(({ path }) => path.endsWith('/0'))
  assert.deepEqual(toFirst.map(({ body }) => body.data.name).sort(), names.toSorted())
  for (const id of [...ids, other]) await platform.call('DELETE', `/v1/webhooks/${id}`)

  /** Waits until the endpoint that works was told of a volume. */
  function heard(name: string): Promise<boolean> {
    return until(`${name} was heard of`, () => quick.got.some(({ body }) => body.data.name === name))
  }
})

test('slow endpoints: one that drips its answer, or its refusal, or never ends its head, and one whose head is endless', async () => {
  const drips = await listen((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n')
    return every(100, () => socket.write('x'))
  })
  const refuses = await listen((socket) => {
    socket.write('HTTP/1.1 500 Broken\r\ncontent-length: 100000\r\n\r\nwhy')
    return every(100, () => socket.write('.'))
  })
  const head = await listen((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    let lines = 0
    return every(100, () => socket.write(`x-${lines++}: y\r\n`))
  })
  const endless = await listen((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    return every(1, () => socket.write(`x-a: ${'y'.repeat(1024)}\r\n`))
  })
  const early = await listen((socket) => every(50, () => socket.write('HTTP/1.1 102 Processing\r\n\r\n')))
  const quick = await receive()
  const slow = [drips, refuses, head, endless, early]
  const ids = await Promise.all(slow.map(({ url }) => create(url, ['volume.created'])))
  const other = await create(quick.url, ['volume.created'])
  await volume('slowly')
  await until('all are at it', () => slow.every(({ connections }) => connections() > 0))
  await volume('meanwhile')
  await until('the other goes on', () => quick.got.length === 2)
  const attempts: Answer[] = await until(
    'each has an end',
    async () => {
      const first = await Promise.all(ids.map(async (id) => (await deliveriesOf(id)).at(-1).attempts[0]))
      return first.every(Boolean) ? first : undefined
    },
    30_000,
  )
  assert.deepEqual([attempts[0].status, attempts[0].error], [200, undefined])
  assert.ok(attempts[0].durationMs < 15_000, 'a success is not waited for to its last byte')
  assert.match(attempts[1].error, /answered 500: why|no answer within 15 seconds/)
  assert.match(attempts[2].error, /no answer within 15 seconds/)
  assert.match(attempts[3].error, /header/i)
  assert.match(attempts[4].error, /no answer within 15 seconds/)
  for (const id of [...ids, other]) await platform.call('DELETE', `/v1/webhooks/${id}`)
})

function create(url: string, events: string[]): Promise<string> {
  return platform.json('POST', '/v1/webhooks', { url, events }).then(({ id }) => id)
}

function volume(name: string): Promise<Answer> {
  return platform.json('POST', '/v1/volumes', { name, sizeMb: 16 })
}

async function deliveriesOf(id: string, state?: string): Promise<Answer[]> {
  const query = state ? `?state=${state}` : ''
  return (await platform.json('GET', `/v1/webhooks/${id}/deliveries${query}`)).deliveries
}

/** How many attempts are recorded of each of these webhooks that has deliveries. */
async function attemptsOf(ids: string[]): Promise<number[]> {
  const { rows } = await database.query(
    `select sum(attempts)::integer as n from webhook_deliveries where webhook_id = any($1) group by webhook_id`,
    [ids],
  )
  return rows.map(({ n }) => n)
}

/** What was to be told to a webhook, and tried, was so a day earlier. */
async function aDayGoesBy(id: string): Promise<void> {
  await database.query(
    `update webhook_attempts set at = at - interval '1 day'
      where delivery_id in (select id from webhook_deliveries where webhook_id = $1)`,
    [id],
  )
  await database.query(
    `update webhook_deliveries set until = until - interval '1 day', created_at = created_at - interval '1 day'
      where webhook_id = $1`,
    [id],
  )
}

function typesOf(got: Received[], name: string): string[] {
  return got.filter(({ body }) => body.data.name === name).map(({ body }) => body.type)
}

function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms)
  return () => clearInterval(timer)
}

/** A server that says to each connection what `speak` writes, whatever it is asked. */
async function listen(speak: (socket: net.Socket) => () => void): Promise<{ url: string; connections: () => number }> {
  let connections = 0
  const server = net.createServer((socket) => {
    connections++
    const stop = speak(socket)
    socket.on('error', () => {})
    socket.on('close', stop)
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/hook`, connections: () => connections }
}
