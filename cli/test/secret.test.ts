import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPlatform } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform()
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '', TOKEN: 'from-a-variable' }
const run = (args: string[], stdin?: string) => warren(['secret', ...args], { env, ...(stdin ? { stdin } : {}) })

test('secret create takes its value from standard input or a variable, and no command shows it', async () => {
  const { stdout } = await run(['create', 'One', '--host', 'api.example.com', '--host', '*.example.com'], 'hunter2\n')
  assert.match(stdout, /^sec_[a-z0-9]+\n$/)
  assert.equal((await run(['create', 'two', '--from-env', 'TOKEN'])).code, 0)
  const missing = await run(['create', 'three', '--from-env', 'NO_SUCH'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /NO_SUCH is empty or not set/)
  assert.match((await run(['create', 'three'])).stderr, /there is no value/)
  const listed = await run(['list'])
  assert.match(listed.stdout, /one\s+1\s+api\.example\.com \*\.example\.com/)
  assert.equal((await run(['update', 'one'], 'hunter3')).stdout, 'one: version 2\n')
  assert.equal((await run(['update', 'one', '--keep-value', '--host', 'example.com'])).stdout, 'one: version 2\n')
  const json = await run(['list', '--json'])
  assert.ok(!/hunter|from-a-variable/.test(listed.stdout + json.stdout))
  assert.equal((await run(['rm', 'one', 'two'])).code, 0)
  assert.match((await run(['list'])).stderr, /There is no secret/)
})
