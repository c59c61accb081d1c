import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../src/lib/run-command.ts'
import { startPlatform } from '../platform.ts'
import { pythonWith } from './python-with.ts'

const program = join(import.meta.dirname, 'program.py')

// One of each generation, as they were released.
const clients = await Promise.all(
  ['2.63.0', '2.45.1'].map(async (version) => ({ version, ...(await pythonWith(`e2b==${version}`)) })),
)
const platform = clients.some(({ python }) => python) ? await startPlatform() : undefined

for (const { version, python, reason } of clients) {
  const skip = python ? false : `PyPI's e2b ${version} cannot be had here: ${reason}`
  test(`PyPI e2b ${version}: a program runs unmodified, synchronous and asynchronous`, { skip }, async () => {
    const { key, url } = platform!
    const env = { ...process.env, E2B_API_KEY: key, E2B_API_URL: url, E2B_SANDBOX_URL: url }
    const { ok, stdout, stderr } = await runCommand([python!, program], { timeoutMs: 120_000, env })
    assert.ok(ok, `after "${stdout.trim().split('\n').at(-1)}":\n${stderr}`)
    assert.match(stdout, /^end$[\s\S]*^async end$/m)
  })
}
