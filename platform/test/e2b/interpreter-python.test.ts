import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../src/lib/run-command.ts'
import { startPlatform } from '../platform.ts'
import { pythonWith } from './python-with.ts'

const program = join(import.meta.dirname, 'interpreter.py')
const needed: [string, ...string[]] = ['python3', '-c', 'import IPython, matplotlib, pandas']
const hasLibraries = (await runCommand(needed, { timeoutMs: 60_000, env: { PATH: '/usr/bin:/bin' } })).ok

// One of each generation, as they were released, with the client of E2B that goes with it.
for (const packages of [['e2b-code-interpreter==2.11.5'], ['e2b-code-interpreter==2.9.1', 'e2b==2.45.1']]) {
  const { python, reason } = await pythonWith(...packages)
  const missing = hasLibraries ? false : "the host's python3 has no IPython, matplotlib or pandas"
  const skip = python ? missing : `${packages.join(' and ')} cannot be had here: ${reason}`
  test(`PyPI ${packages.join(', ')}: a program runs unmodified, synchronous and asynchronous`, { skip }, async () => {
    const { key, url } = await startPlatform()
    const env = { ...process.env, E2B_API_KEY: key, E2B_API_URL: url, E2B_SANDBOX_URL: url }
    const { ok, stdout, stderr } = await runCommand([python!, program], { timeoutMs: 120_000, env })
    assert.ok(ok, `after "${stdout.trim().split('\n').at(-1)}":\n${stderr}`)
    assert.match(stdout, /^end$[\s\S]*^async end$/m)
  })
}
