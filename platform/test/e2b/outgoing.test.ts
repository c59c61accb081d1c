import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as current from 'e2b'
import * as earlier from 'e2b-2-45'
import { mintAuthority, mintCertificate } from '../../src/lib/certificate.ts'
import { addresses, fakeInternetLacks, openFakeInternet } from '../network/fake-internet.ts'
import { startNetworked } from '../network/networked.ts'
import type { Answer } from '../platform.ts'

const skip = (await fakeInternetLacks()) ?? false
const now = new Date()
const authority = mintAuthority('the fake internet', { now })
const folder = await mkdtemp(join(tmpdir(), 'warren-outgoing-'))
const authorityFile = join(folder, 'authority.pem')
await writeFile(authorityFile, authority.certificate)
const names = ['allowed.example']
const internet = skip
  ? (undefined as never)
  : await openFakeInternet({ 'allowed.example': mintCertificate(authority, { names, days: 2, now }) })
const platform = skip ? (undefined as never) : await startNetworked(internet, { WARREN_EGRESS_CA: authorityFile })
after(async () => {
  await internet?.close()
  await rm(folder, { recursive: true })
})
const clients: Record<string, Answer> = { 'e2b 2.51': current, 'e2b 2.45': earlier }
const curl = 'curl -sS -m 20 https://allowed.example/'

for (const [name, { Sandbox }] of Object.entries(clients)) {
  test(`${name}: rules put a secret into requests, change while it runs, and are told of`, { skip }, async () => {
    const { url } = platform
    const options = { apiUrl: url, sandboxUrl: url, apiKey: platform.key, validateApiKey: false }
    const { Secret } = current
    const secret = `Api-${name.replaceAll(/[^a-z0-9]/g, '-')}`
    await Secret.create(secret, 'hunter2', options)
    const network = (headers: object) => ({
      allowOut: ['allowed.example'],
      denyOut: ['0.0.0.0/0'],
      rules: { 'allowed.example': [{ transform: { headers } }] },
    })
    const first = network({ Authorization: `Bearer ${Secret.fill(secret)}` })
    const sandbox = await Sandbox.create({ ...options, network: first })
    try {
      const { stdout } = await sandbox.commands.run(curl)
      assert.equal(JSON.parse(stdout).headers.authorization, 'Bearer hunter2')
      const shown = (await sandbox.getInfo()).network
      const rules = {
        'allowed.example': [{ transform: { headers: { authorization: `Bearer ${Secret.fill(secret)}` } } }],
      }
      assert.deepEqual(shown.rules, rules)
      await sandbox.updateNetwork(network({ 'x-own': 'literal' }))
      const { headers } = JSON.parse((await sandbox.commands.run(curl)).stdout)
      assert.deepEqual([headers.authorization, headers['x-own']], [undefined, 'literal'])

      const proxy = { address: `${addresses.listed}:1080`, username: 'tenant', password: 'opensesame' }
      await internet.forget()
      await sandbox.updateNetwork({ ...network({}), egressProxy: proxy })
      await sandbox.commands.run(curl)
      assert.ok(internet.events.some(({ kind, user }) => kind === 'proxy user' && user === 'tenant'))
      const { egressProxy } = (await sandbox.getInfo()).network
      assert.deepEqual(egressProxy, { address: proxy.address, username: 'tenant' })
      await assert.rejects(sandbox.updateNetwork({ egressProxy: { address: '10.9.9.9:1080' } }), /no sandbox may reach/)
      await assert.rejects(sandbox.updateNetwork(network({ Host: 'x' })), /"host" cannot be changed/)
    } finally {
      await sandbox.kill()
    }
  })
}
