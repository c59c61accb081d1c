import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPlatform } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }
const fn = (...args: string[]) => warren(['fn', ...args], { env })
const files = { 'index.js': Buffer.from('exports.handler = async (event) => event').toString('base64') }
await platform.json('PUT', '/v1/functions/echo', { runtime: 'node24', files })

test('fn subscribe, hook and route make, list and delete what calls a function', async () => {
  await platform.json('POST', '/v1/secrets', { name: 'SIGNING', value: 'x' })
  for (const [command, made, shown] of [
    ['subscribe', ['sandbox.failed', 'snapshot.*'], /sandbox\.failed snapshot\.\*/],
    ['hook', ['--scheme', 'github', '--secret', 'SIGNING'], /github\s+SIGNING\s+http.*\/h\/h/],
    ['route', ['GET /orders/{id}', '--version', '1'], /GET \/orders\/\{id\}\s+echo\s+http.*\/r\/org0\/orders/],
  ] as const) {
    const { stdout, stderr, code } = await fn(command, 'echo', ...made)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^(t[a-z0-9]+|http\S+)\n$/)
    assert.match((await fn(command, 'echo')).stdout, shown)
    const [one, ...others] = JSON.parse((await fn(command, 'echo', '--json')).stdout)
    assert.deepEqual(others, [])
    const deletion = command === 'route' ? ['--delete', one.id] : ['echo', '--delete', one.id]
    assert.equal((await fn(command, ...deletion)).code, 0)
    assert.deepEqual(JSON.parse((await fn(command, 'echo', '--json')).stdout), [])
  }
  const refused = await fn('subscribe', 'echo', 'sandbox.exploded')
  assert.deepEqual([refused.code, /no event of type/.test(refused.stderr)], [1, true])
})

test('fn get and fn list show what a function has and used', async () => {
  for (let at = 0; at < 20; at++) await platform.json('POST', '/v1/functions/echo/invoke', {})
  assert.match((await fn('get', 'echo')).stdout, /Memory MiB\s+256 \(95 of 100 up to \d+, at most \d+; suggested \d+\)/)
  assert.equal(JSON.parse((await fn('get', 'echo', '--json')).stdout).measured.calls, 20)
  assert.match((await fn('list')).stdout, /echo\s+node24\s+1\s+20\s+0\s+256 \(\d+\)/)
})
