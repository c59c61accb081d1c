import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, type Platform, startPlatform, until } from './platform.ts'
import { signInAt, startProvider } from './provider.ts'

let platform: Platform
const redirectUri = () => `${platform.url}/v1/auth/sso/callback`
const provider = await startProvider({ redirectUri, unverified: ['liar@example.com'] })
platform = await startPlatform({
  WARREN_POOL_SIZE: '0',
  WARREN_OIDC_ISSUER: provider.issuer,
  WARREN_OIDC_CLIENT_ID: 'warren',
  WARREN_OIDC_CLIENT_SECRET: 'a secret of the test',
  WARREN_OIDC_DOMAINS: 'example.com',
  WARREN_OIDC_ROLE: 'developer',
})
provider.open()

const home = 'http://127.0.0.1:9/done'

function begun(returnTo = home) {
  const verifier = randomBytes(32).toString('base64url')
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const query = new URLSearchParams({ returnTo, challenge })
  return { verifier, url: `${platform.url}/v1/auth/sso/begin?${query}` }
}

async function post(path: string, body: object): Promise<{ status: number; body: Answer }> {
  const headers = { 'content-type': 'application/json' }
  const response = await platform.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

async function signedIn(login: string) {
  const { verifier, url } = begun()
  const code = new URL(await signInAt(url, { login, end: home })).searchParams.get('code')!
  return { code, verifier, ...(await post('/v1/auth/sso/finish', { code, verifier })) }
}

test('who signs in at the provider becomes a member, and is the same person the next time', async () => {
  assert.deepEqual(await (await platform.fetch('/v1/auth/sso')).json(), { enabled: true })
  const first = await signedIn('ann@example.com')
  assert.equal(first.status, 200, JSON.stringify(first.body))
  const authorization = `Bearer ${first.body.accessToken}`
  const me: Answer = await (await platform.fetch('/v1/users/me', { headers: { authorization } })).json()
  assert.deepEqual([me.role, me.user.email, me.user.name], ['developer', 'ann@example.com', 'Name of ann@example.com'])
  assert.deepEqual([me.user.hasPassword, me.organisation.id], [false, 'org0'])
  const again = await post('/v1/auth/sso/finish', first)
  assert.equal(again.status, 400, 'a body with more in it')
  const { code, verifier } = first
  assert.equal((await post('/v1/auth/sso/finish', { code, verifier })).status, 401, 'a code is good once')
  assert.equal((await signedIn('ann@example.com')).body.userId, first.body.userId)
})

test('who signs in for the first time five times at once is one person', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => signedIn('twin@example.com')))
  for (const { status, body } of answers) assert.equal(status, 200, JSON.stringify(body))
  assert.equal(new Set(answers.map(({ body }) => body.userId)).size, 1)
})

test('who is a user already is recognised by a verified address', async () => {
  const { link } = await platform.json('POST', '/v1/orgs/org0/invitations', {
    email: 'bob@elsewhere.org',
    role: 'viewer',
  })
  const join = { token: link.split('#')[1], password: 'four words nobody guesses' }
  const { userId } = (await post('/v1/auth/join', join)).body
  assert.equal((await signedIn('bob@elsewhere.org')).body.userId, userId)
})

test('strangers, addresses that nobody verified, and what was tampered with are refused', async () => {
  await assert.rejects(signedIn('eve@elsewhere.org'), /nobody is known by eve@elsewhere.org/)
  await assert.rejects(signedIn('liar@example.com'), /not verified your address/)

  const { verifier, url } = begun()
  const callback = await signInAt(url, { login: 'ann@example.com', end: redirectUri() })
  const changed = new URL(callback)
  changed.searchParams.set('state', 'of another')
  assert.equal((await fetch(changed, { redirect: 'manual' })).status, 401, 'a state that was not begun')
  const target = (await fetch(callback, { redirect: 'manual' })).headers.get('location')!
  assert.equal((await fetch(callback, { redirect: 'manual' })).status, 401, 'the same way back a second time')
  const code = new URL(target).searchParams.get('code')!
  const theirs = randomBytes(32).toString('base64url')
  assert.equal((await post('/v1/auth/sso/finish', { code, verifier: theirs })).status, 401, 'who did not begin')
  assert.equal((await post('/v1/auth/sso/finish', { code, verifier })).status, 401, 'and then nobody')

  const cut = await signInAt(begun().url, { login: 'ann@example.com', end: redirectUri() })
  const forged = new URL(cut)
  forged.searchParams.set('code', 'x'.repeat(43))
  assert.equal((await fetch(forged, { redirect: 'manual' })).status, 401, 'a code that the provider did not give')

  for (const returnTo of [
    'https://evil.example.com/',
    'javascript:alert(1)',
    'http://127.0.0.1.evil.example.com/',
    'x',
  ])
    assert.equal((await fetch(begun(returnTo).url, { redirect: 'manual' })).status, 400, returnTo)
  assert.equal((await fetch(begun(`${platform.url}/console`).url, { redirect: 'manual' })).status, 302)
})

test('who comes by single sign-on is in the audit log, and without a provider there is none', async () => {
  const entries = await until('three are there', async () => {
    const found = await platform.json('GET', '/v1/audit?action=user.login')
    return found.entries.length >= 3 && found.entries
  })
  assert.ok(entries.every((entry: Answer) => entry.actorKind === 'user' && entry.outcome === 'done'))
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_OIDC_ISSUER: '', WARREN_OIDC_CLIENT_ID: '' })
  assert.deepEqual(await (await platform.fetch('/v1/auth/sso')).json(), { enabled: false })
  assert.equal((await fetch(begun().url, { redirect: 'manual' })).status, 404)
})
