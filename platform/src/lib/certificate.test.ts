import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { mintAuthority, mintCertificate } from './certificate.ts'
import { runCommand } from './run-command.ts'

const now = new Date()
const authority = mintAuthority('Warren test', { within: 'box.example', now })

test('a minted certificate is signed by its authority, holds for its names and no others', () => {
  const minted = mintCertificate(authority, { names: ['box.example', '*.box.example'], days: 90, now })
  const certificate = new X509Certificate(minted.certificate)
  const issuer = new X509Certificate(authority.certificate)
  assert.ok(issuer.ca && !certificate.ca)
  assert.ok(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey) && issuer.verify(issuer.publicKey))
  assert.equal(certificate.checkHost('api.box.example'), '*.box.example')
  assert.equal(certificate.checkHost('api.other.example'), undefined)
  assert.equal(Math.round((certificate.validToDate.getTime() - now.getTime()) / 86_400_000), 90)
  assert.equal(issuer.validToDate.getTime() > now.getTime() + 9 * 365 * 86_400_000, true)
})

test('OpenSSL verifies it strictly, and refuses what the authority signs outside of its domain', async (t) => {
  if (!(await runCommand(['openssl', 'version'], { timeoutMs: 5000 })).ok) return t.skip('openssl is not installed')
  const folder = await mkdtemp(join(tmpdir(), 'warren-certificate-'))
  t.after(() => rm(folder, { recursive: true }))
  const verify = async (names: string[]) => {
    await writeFile(join(folder, 'ca.pem'), authority.certificate)
    await writeFile(join(folder, 'leaf.pem'), mintCertificate(authority, { names, days: 90, now }).certificate)
    const argv = ['openssl', 'verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', join(folder, 'ca.pem')]
    return runCommand([argv[0]!, ...argv.slice(1), join(folder, 'leaf.pem')], { timeoutMs: 5000 })
  }
  const good = await verify(['*.box.example'])
  assert.ok(good.ok, good.stderr)
  const bad = await verify(['bank.example'])
  assert.ok(!bad.ok)
  assert.match(bad.stderr, /permitted subtree/)
})
