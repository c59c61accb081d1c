import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../src/lib/run-command.ts'
import { startPlatform } from '../platform.ts'
import { withNamesHere } from './names.ts'
import { pythonWith } from './python-with.ts'

const program = join(import.meta.dirname, 'program.py')

// One of each generation, as they were released.
const clients = await Promise.all(
  ['2.63.0', '2.45.1'].map(async (version) => ({ version, ...(await pythonWith(`e2b==${version}`)) })),
)
const domain = 'box.example'
const platform = clients.some(({ python }) => python) ? await startPlatform({ WARREN_DOMAIN: domain }) : undefined

for (const { version, python, reason } of clients) {
  const missing = python ? false : `PyPI's e2b ${version} cannot be had here: ${reason}`
  test(`PyPI e2b ${version}: a program runs unmodified, synchronous and asynchronous`, { skip: missing }, async () => {
    const { url } = platform!
    await runs([python!], { E2B_API_URL: url, E2B_SANDBOX_URL: url })
  })

  const skip = missing || (process.getuid?.() !== 0 && 'only root can give a program names of its own')
  test(`PyPI e2b ${version}: the same by the domain, over TLS`, { skip }, async () => {
    const { home, port } = platform!
    const names = await withNamesHere(domain, home)
    try {
      const bundle = join(home, 'tls', `${domain}.bundle.pem`)
      await runs([...names.argv, python!], { E2B_DOMAIN: `${domain}:${port}`, SSL_CERT_FILE: bundle })
    } finally {
      names.close()
    }
  })
}

async function runs([command, ...argv]: string[], more: Record<string, string>): Promise<void> {
  const env = { ...process.env, E2B_API_KEY: platform!.key, ...more }
  const { ok, stdout, stderr } = await runCommand([command!, ...argv, program], { timeoutMs: 120_000, env })
  assert.ok(ok, `after "${stdout.trim().split('\n').at(-1)}":\n${stderr}`)
  assert.match(stdout, /^end$[\s\S]*^async end$/m)
}
