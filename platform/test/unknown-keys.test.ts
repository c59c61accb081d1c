import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import http from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { startPlatform, until } from './platform.ts'

/** What requests with keys that nobody knows cost the database, by counting what it is asked. */
const counts: number[] = []
const platform = await startPlatform(
  { WARREN_POOL_SIZE: '0', WARREN_RATE_ATTEMPTS: '600', WARREN_TRUSTED_PROXIES: '127.0.0.0/8' },
  {
    preload: {
      module: fileURLToPath(new URL('counted-queries.ts', import.meta.url)),
      onMessage: (count) => void counts.push(count as number),
    },
  },
)
const agent = new http.Agent({ keepAlive: true })
after(() => agent.destroy())

test('what cannot be a key, and a token that nobody signed, asks the database nothing', async () => {
  const hex = randomBytes(20).toString('hex')
  const forged = [{ alg: 'HS256' }, { sub: 'u0', jti: 's0', iss: 'warren' }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat(hex)
    .join('.')
  const before = await asked('"keys"|"sessions"')
  for (const key of [
    'x',
    `e2b_${hex.slice(1)}`,
    `e2b_${hex}0`,
    `e2b_${hex.toUpperCase()}X`,
    `sk_e2b_z${hex.slice(1)}`,
    forged,
  ])
    assert.equal(await show(key), 401, key)
  assert.equal(await asked('"keys"|"sessions"'), before)
})

test('a flood of unknown keys from many addresses is a few questions, and leaves the database to others', async (t) => {
  const client = new pg.Client({ host: join(platform.home, 'postgres', 'data'), user: 'warren', database: 'postgres' })
  await client.connect()
  const before = await asked('"?keys"?\\."?hash')
  after(() => client.end())
  // While this lasts nothing that asks for a key gets an answer.
  await client.query('begin; lock table keys in access exclusive mode')
  const flood = 500
  let answered = 0
  const statuses = Array.from({ length: flood }, (_, at) =>
    show(`e2b_${randomBytes(20).toString('hex')}`, `10.0.${at >> 8}.${at & 255}`).finally(() => answered++),
  )
  // Whoever needs no key of that table is answered all the same, with the database.
  await until('some of the flood have come', async () => (await asked('"?keys"?\\."?hash')) > before)
  for (let at = 0; at < 20; at++) assert.equal((await platform.call('GET', '/v1/volumes')).status, 200)
  assert.equal(answered, 0)
  await client.query('rollback')
  assert.ok((await Promise.all(statuses)).every((status) => status === 401))
  const questions = (await asked('"?keys"?\\."?hash')) - before
  t.diagnostic(`${questions} questions for ${flood} unknown keys`)
  assert.ok(questions > 0 && questions <= 20, `${questions} questions for ${flood} unknown keys`)
})

test('a key that was just made is known at once, in the middle of a flood too', async () => {
  const flood = Array.from({ length: 200 }, (_, at) => show(`e2b_${randomBytes(20).toString('hex')}`, `10.1.0.${at}`))
  const { key } = await platform.json('POST', '/v1/keys', { name: 'new' })
  assert.equal(await show(key), 200)
  await Promise.all(flood)
})

test('an address has so many attempts, also all at once', async () => {
  const attempts = await Promise.all(
    Array.from({ length: 800 }, () => show(`e2b_${randomBytes(20).toString('hex')}`, '10.2.0.1')),
  )
  const tried = attempts.filter((status) => status === 401).length
  // Tokens come back meanwhile, ten a second.
  assert.ok(tried >= 600 && tried <= 700, `${tried} were tried`)
  assert.equal(attempts.filter((status) => status === 429).length, 800 - tried)
})

/** How many queries that fit `pattern` the platform has sent. */
function asked(pattern: string): Promise<number> {
  const told = counts.length
  platform.process.send!(pattern)
  return until('it tells', () => counts.length > told).then(() => counts[told]!)
}

/** The status of an answer to a request with this key. */
function show(key: string, from = '10.9.9.9'): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, 'x-forwarded-for': from }
    http
      .get(`${platform.url}/v1/volumes`, { headers, agent }, (response) => {
        response.resume()
        resolve(response.statusCode!)
      })
      .on('error', reject)
  })
}
