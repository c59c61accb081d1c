import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as current from 'e2b'
import * as earlier from 'e2b-2-45'
import { createRemoteJWKSet, jwtVerify } from 'jose'
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

  test(`${name}: what is allowed goes before what is denied, and a change holds at once`, { skip }, async () => {
    const { url } = platform
    const options = { apiUrl: url, sandboxUrl: url, apiKey: platform.key, validateApiKey: false }
    const { allowed, listed, evil } = addresses
    const asked = { allowOut: [allowed], denyOut: ['93.184.216.9/24', evil] }
    const sandbox = await Sandbox.create({ ...options, network: asked })
    const reached = async () => {
      const tries = [allowed, listed, evil].map((at) => `curl -s -m 20 -o /dev/null http://${at}:8080/; echo $?`)
      return (await sandbox.commands.run(tries.join('; '))).stdout.split('\n').map((code: string) => code === '0')
    }
    try {
      assert.deepEqual((await reached()).slice(0, 3), [true, false, false])
      assert.deepEqual((await sandbox.getInfo()).network.allowOut, [allowed])
      await sandbox.updateNetwork({ allowOut: [listed, '66.66.66.0/24'], denyOut: ['93.184.216.0/24', evil] })
      assert.deepEqual((await reached()).slice(0, 3), [false, true, true])
      await sandbox.updateNetwork({ allowOut: [evil], denyOut: ['0.0.0.0/0'] })
      assert.deepEqual((await reached()).slice(0, 3), [false, false, true])
      await sandbox.updateNetwork({ denyOut: [evil] })
      assert.deepEqual((await reached()).slice(0, 3), [true, true, false])
      for (const wrong of [['66.66.66.66/33'], ['66.66.66'], ['evil.example'], Array(257).fill(evil)])
        await assert.rejects(sandbox.updateNetwork({ denyOut: wrong }), /400/)
      await assert.rejects(sandbox.updateNetwork({ allowOut: ['a.example'], denyOut: [evil] }), /ALL_TRAFFIC/)
      await assert.rejects(
        sandbox.updateNetwork({ allowOut: ['10.0.0.0/8'], denyOut: ['10.0.0.0/8'] }),
        /403.*no sandbox/,
      )
      assert.deepEqual((await reached()).slice(0, 3), [true, true, false], 'what was refused changed nothing')
    } finally {
      await sandbox.kill()
    }
  })
}

test('identity tokens say to others which sandbox a request comes from, and are not seen inside', {
  skip,
}, async () => {
  const { url } = platform
  const { Sandbox, Secret } = current
  const options = { apiUrl: url, sandboxUrl: url, apiKey: platform.key }
  const aws = Secret.iamToken({ audience: 'sts.amazonaws.com', tokenType: 'JWT-SVID' })
  const rules = (header: string) => ({
    'allowed.example': [{ transform: ({ iam }: Answer) => ({ headers: { [header]: `Bearer ${iam.tokens.aws}` } }) }],
  })
  const network = (header: string) => ({
    ...{ allowOut: ['allowed.example'], denyOut: ['0.0.0.0/0'] },
    rules: rules(header),
  })
  const sandbox = await Sandbox.create({ ...options, iam: { tokens: { aws } }, network: network('Authorization') })
  const sent = async (of: Answer, more = '') => JSON.parse((await of.commands.run(`${curl} ${more}`)).stdout).headers
  const check = async (header: string) => {
    const found = await fetch(`${url}/v1/identity/.well-known/openid-configuration`)
    const { issuer, jwks_uri } = (await found.json()) as Answer
    assert.equal(issuer, `${url}/v1/identity`)
    const token = header.replace(/^Bearer /, '')
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(jwks_uri)), {
      ...{ issuer, audience: 'sts.amazonaws.com' },
    })
    return payload.sub!
  }
  try {
    const first = await check((await sent(sandbox)).authorization)
    assert.match(first, new RegExp(`^spiffe://127\\.0\\.0\\.1/organisation/[^/]+/sandbox/${sandbox.sandboxId}$`))
    // A change of the network leaves the tokens that there are.
    const changed = {
      'allowed.example': [
        { transform: { headers: { 'x-token': ['Bearer $', '{e2b.identity.tokens.aws}'].join('') } } },
      ],
    }
    await sandbox.updateNetwork({ ...network('x'), rules: changed })
    assert.equal(await check((await sent(sandbox))['x-token']), first)
    const inside = ['$', '{e2b.identity.tokens.aws}'].join('')
    const refused = await sandbox.commands.run(`${curl} -H 'x-mine: ${inside}'`)
    assert.match(refused.stdout, /refused: the identity token "aws" is sent by rules alone/)
    const unknown = { 'allowed.example': [{ transform: { headers: { a: inside.replace('aws', 'gcp') } } }] }
    await assert.rejects(sandbox.updateNetwork({ ...network('x'), rules: unknown }), /no identity token "gcp"/)
    // Whoever takes over the platform's restart gives the gateway new ones.
    await platform.kill('SIGTERM')
    await platform.start()
    const resumed = await Sandbox.connect(sandbox.sandboxId, {
      ...options,
      apiUrl: platform.url,
      sandboxUrl: platform.url,
    })
    assert.match((await sent(resumed))['x-token'], /^Bearer \S+\.\S+\.\S+$/)
  } finally {
    await platform.call('DELETE', `/sandboxes/${sandbox.sandboxId}`)
  }
})

test('a fork says that it is another sandbox', { skip }, async (t) => {
  const network = {
    ...{ allow: ['allowed.example'], identity: { me: 'them' } },
    rules: [{ host: 'allowed.example', set: { 'x-token': ['$', '{warren.identity.me}'].join('') } }],
  }
  for (const identity of [
    { 'no name': 'x' },
    { a: '' },
    { a: 1 },
    Object.fromEntries([...'abcdef'].map((name) => [name, 'x'])),
  ])
    assert.equal((await platform.call('POST', '/v1/sandboxes', { network: { identity } })).status, 400)
  const path = await platform.sandbox({ network })
  assert.deepEqual((await platform.json('GET', `${path}/network`)).policy.identity, { me: 'them' })
  const forked = await platform.call('POST', `${path}/fork`, {})
  if (forked.status === 503 || forked.status === 400) return t.skip((await forked.json()).message)
  const [copy] = (await forked.json()).sandboxes
  const subject = async (at: string) => {
    const { stdout } = await platform.json('POST', `${at}/execute`, { command: curl, timeout: 30 })
    const [, claims] = JSON.parse(stdout).headers['x-token'].split('.')
    return JSON.parse(Buffer.from(claims, 'base64url').toString()).sub as string
  }
  assert.ok((await subject(path)).endsWith(path.split('/').at(-1)!))
  assert.ok((await subject(`/v1/sandboxes/${copy.id}`)).endsWith(`/sandbox/${copy.id}`))
})
