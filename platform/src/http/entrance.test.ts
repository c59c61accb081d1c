import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { mintAuthority, mintCertificate } from '../lib/certificate.ts'
import { Entrance } from './entrance.ts'
import { givenCredentials } from './tls/credentials.ts'

const now = new Date()
const authority = mintAuthority('Warren test', { now })
const pair = () => mintCertificate(authority, { names: ['box.example'], days: 2, now })

test('a certificate that was given is taken anew when its file changes; one that is none leaves the old one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'warren-tls-'))
  const files = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const give = async ({ certificate, key }: { certificate: string; key: string }) => {
    await writeFile(files.key, key)
    await writeFile(files.certificate, certificate)
  }
  await give(pair())
  const credentials = givenCredentials(files)
  const warnings: string[] = []
  const logger = { warn: (details: { reason?: string }) => void warnings.push(details.reason ?? '') }
  const server = createServer((_request, response) => response.end('here'))
  const entrance = new Entrance(
    server,
    { patienceMs: 5000 },
    {
      credentials,
      first: await credentials.current(),
      renewEveryMs: 20,
      logger: logger as never,
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    entrance.close()
    server.close()
    await rm(folder, { recursive: true })
  })
  const shown = async () => {
    const { port } = server.address() as AddressInfo
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'box.example', ca: authority.certificate })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const first = await shown()
  await give({ ...pair(), key: pair().key })
  while (warnings.length === 0) await sleep(5)
  assert.match(warnings[0]!, /WARREN_TLS_CERT .* and WARREN_TLS_KEY .* are no certificate and its key/)
  assert.equal(await shown(), first)
  await give(pair())
  while ((await shown()) === first) await sleep(5)
})
