import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPlatform } from '../../../platform/test/platform.ts'

const example = fileURLToPath(new URL('../examples/quickstart.mjs', import.meta.url))
/** An older Node of the system, if there is one: the package promises to run there. */
const nodes = [process.execPath, '/usr/bin/node'].filter(existsSync)

test('the built package runs the example, as plain JavaScript', async (t) => {
  const platform = await startPlatform()
  const env = { ...process.env, WARREN_URL: platform.url, WARREN_API_KEY: platform.key, NODE_OPTIONS: '' }
  for (const node of nodes) {
    const version = (await promisify(execFile)(node, ['--version'])).stdout.trim()
    await t.test(`on Node ${version}`, async () => {
      const { stdout } = await promisify(execFile)(node, [example], { env })
      assert.match(stdout, /run +42\n[\s\S]*2 data\.csv[\s\S]*port 8000 "a,b/)
    })
  }
})
