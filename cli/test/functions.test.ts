import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { freePort } from '../../platform/test/free-port.ts'
import { startPlatform, until } from '../../platform/test/platform.ts'
import { startWarren, warren } from './warren.ts'

// The same after a restart: a command that goes on finds it again.
const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1', WARREN_PORT: String(await freePort()) })
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

test('fn logs -f shows a line while its call runs, goes on over a restart, and shows nothing twice', async () => {
  const source = `let go
    exports.handler = async (event) => {
      if (event.go) return go()
      console.log('first of', event.name)
      await new Promise((done) => { go = done })
      console.log('second of', event.name)
    }`
  const code = { 'index.js': Buffer.from(source).toString('base64') }
  const settings = { concurrency: 2, maxInstances: 1, timeoutSeconds: 300 }
  const call = (event: object) => platform.json('POST', '/v1/functions/talker/invoke', event)
  await platform.json('PUT', '/v1/functions/talker', { runtime: 'node24', files: code, settings })
  const following = running(['logs', 'talker', '-f'])
  const one = call({ name: 'one' })
  await following.says(/first of one/)
  assert.doesNotMatch(following.said(), /second of one|succeeded/)
  await call({ go: true })
  await one
  await following.says(/first of one\n.* {3}second of one\n[\s\S]*v1 \d+ ms (cold )?succeeded/)

  await platform.kill('SIGKILL')
  await platform.start()
  const two = call({ name: 'two' })
  await following.says(/first of two/)
  await call({ go: true })
  await two
  await following.says(/second of two\n[\s\S]*succeeded/)
  assert.equal(await following.end(), 0)
  for (const line of ['first of one', 'second of one', 'first of two', 'second of two'])
    assert.equal(following.said().split(line).length, 2, following.said())
})

test('fn dev runs a function of its own at each change and deletes it, and production stays as it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'warren-dev-'))
  after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'echo.js')
  await writeFile(path, "exports.handler = async () => { console.log('one was here'); return 'one' }")
  const before = await platform.json('GET', '/v1/functions/echo')
  const call = (name: string, query = '') => platform.json('POST', `/v1/functions/${name}/invoke${query}`, { a: 1 })

  const dev = running(['dev', path])
  const [, name] = (await dev.says(/(echo-dev-[0-9a-f]{8}) is deployed, version 1\nhttp/)) as RegExpExecArray
  assert.equal(await call(name!), 'one')
  await dev.says(/one was here/)
  await writeFile(path, 'exports.handler = async () => {')
  await dev.says(/warren: /)
  assert.equal(await call(name!), 'one', 'what cannot be deployed changes nothing')
  await writeFile(path, "exports.handler = async () => 'two'")
  await dev.says(/version 2/)
  assert.deepEqual(
    [await call(name!), await call('echo'), await call('echo', '?version=latest')],
    ['two', { a: 1 }, { a: 1 }],
  )
  assert.equal(await dev.end(), 130)
  assert.equal((await platform.call('GET', `/v1/functions/${name}`)).status, 404)
  const { versions, live, latest, aliases } = await platform.json('GET', '/v1/functions/echo')
  assert.deepEqual(
    { versions, live, latest, aliases },
    {
      ...{ versions: before.versions, live: before.live, latest: before.latest, aliases: before.aliases },
    },
  )
})

/** `warren fn` as it runs, until it is interrupted. */
function running(args: string[]) {
  const child = startWarren(['fn', ...args], { env })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      said += text
    })
  const ended = once(child, 'close')
  return {
    says: (pattern: RegExp) => until(`it says ${pattern}`, () => Promise.resolve(pattern.exec(said) ?? false), 60_000),
    said: () => said,
    end: async (): Promise<number> => {
      child.kill('SIGINT')
      return (await ended)[0]
    },
  }
}
