import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, hkdfSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { SignJWT, UnsecuredJWT } from 'jose'
import { totp } from '../src/accounts/totp.ts'
import { type Answer, startPlatform } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
const password = 'four words nobody guesses'

/** A call with another key than that of the operator; its status and its JSON. */
async function as(key: string | undefined, method: string, path: string, body?: object, headers: object = {}) {
  const response = await platform.fetch(path, {
    method,
    headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  return { status: response.status, body: (text ? JSON.parse(text) : undefined) as Answer }
}

const tokenOf = (link: string) => link.split('#')[1]!

async function joined(email: string, role: string, org = 'org0'): Promise<Answer> {
  const { link } = await platform.json('POST', `/v1/orgs/${org}/invitations`, { email, role })
  const { status, body } = await as(undefined, 'POST', '/v1/auth/join', { token: tokenOf(link), password, name: 'Ann' })
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

test('an invitation makes a member, once, and the session does what the role may and no more', async () => {
  const { link, id, ...view } = await platform.json('POST', '/v1/orgs/org0/invitations', {
    email: 'Ann@Example.com',
    role: 'developer',
  })
  assert.deepEqual([view.email, view.role], ['ann@example.com', 'developer'])
  const token = tokenOf(link)
  const listed = await platform.json('GET', '/v1/orgs/org0/invitations')
  assert.deepEqual([listed.invitations[0].id, listed.invitations[0].link], [id, undefined])
  assert.equal(
    (await as(undefined, 'POST', '/v1/auth/join', { token, password: 'short' })).body.code,
    'invalid_request',
  )
  const both = await Promise.all(
    [1, 2].map(() => as(undefined, 'POST', '/v1/auth/join', { token, password, name: 'Ann' })),
  )
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 401], 'of two at once, one')
  const { accessToken, userId } = both.find(({ status }) => status === 200)!.body
  assert.match((await as(undefined, 'POST', '/v1/auth/join', { token, password })).body.message, /used before/)
  const { members } = await platform.json('GET', '/v1/orgs/org0/members')
  assert.deepEqual(
    members.map((member: Answer) => [member.userId, member.email, member.role]),
    [[userId, 'ann@example.com', 'developer']],
  )

  const me = (await as(accessToken, 'GET', '/v1/users/me')).body
  assert.deepEqual(
    [me.kind, me.role, me.organisation.id, me.user.email],
    ['user', 'developer', 'org0', 'ann@example.com'],
  )
  assert.equal((await as(accessToken, 'GET', '/v1/sandboxes')).status, 200)
  assert.equal((await as(accessToken, 'GET', '/v2/sandboxes')).status, 200, 'also at the addresses of E2B')
  for (const [method, path, body] of [
    ['POST', '/v1/keys', { name: 'mine' }],
    ['GET', '/api-keys', undefined],
    ['POST', '/v1/orgs/org0/invitations', { email: 'b@example.com', role: 'viewer' }],
    ['POST', '/v1/orgs', { name: 'more' }],
    ['GET', '/v1/audit', undefined],
    ['POST', '/v1/users/password-links', { email: 'ann@example.com' }],
  ] as const)
    assert.equal((await as(accessToken, method, path, body)).status, 403, `${method} ${path}`)

  await platform.json('PATCH', `/v1/orgs/org0/members/${userId}`, { role: 'viewer' })
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.equal((await as(accessToken, 'POST', '/v1/sandboxes', {})).status, 403, 'another role counts a second later')
  await platform.json('DELETE', `/v1/orgs/org0/members/${userId}`)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.equal((await as(accessToken, 'GET', '/v1/sandboxes')).status, 403)
})

test('nobody invites above their own role, and an organisation keeps an owner', async () => {
  const owner = await joined('owner@example.com', 'owner')
  const admin = await joined('admin@example.com', 'admin')
  const invite = (key: string, role: string) =>
    as(key, 'POST', '/v1/orgs/org0/invitations', { email: 'x@example.com', role })
  assert.equal((await invite(admin.accessToken, 'owner')).status, 403)
  assert.equal((await invite(admin.accessToken, 'admin')).status, 201)
  const member = (id: string) => `/v1/orgs/org0/members/${id}`
  assert.equal((await as(admin.accessToken, 'PATCH', member(owner.userId), { role: 'viewer' })).status, 403)
  assert.equal((await as(admin.accessToken, 'PATCH', member(admin.userId), { role: 'owner' })).status, 403)
  assert.equal((await as(owner.accessToken, 'DELETE', member(owner.userId))).status, 409)
  assert.equal((await as(owner.accessToken, 'PATCH', member('nobody'), { role: 'viewer' })).status, 404)
})

test('a password signs in, a wrong one and an unknown address are told alike, and guessing is slowed down', async () => {
  await joined('login@example.com', 'viewer')
  const login = (given: string, email = 'login@example.com') =>
    as(undefined, 'POST', '/v1/auth/login', { email, password: given })
  assert.equal((await login(password, ' LOGIN@example.com ')).status, 200)
  const [wrong, unknown] = [await login('wrong'), await login('wrong', 'nobody@example.com')]
  assert.deepEqual([wrong.status, wrong.body.message], [unknown.status, unknown.body.message])
  const tries = await Promise.all(Array.from({ length: 15 }, () => login('wrong')))
  const limited = tries.find(({ status }) => status === 429)!
  assert.equal(limited.body.code, 'limit_exceeded')
  assert.ok(limited.body.details.retryAfterSeconds > 0)
  assert.equal((await login(password)).status, 429, 'also with the right one, until it has cooled down')
  assert.equal((await login(password, 'owner@example.com')).status, 200, 'others are not held up')
})

test('a refresh token is good once: a second time ends the session', async () => {
  const first = await joined('refresh@example.com', 'viewer')
  const refresh = (refreshToken: string) => as(undefined, 'POST', '/v1/auth/refresh', { refreshToken })
  const second = (await refresh(first.refreshToken)).body
  assert.equal((await as(second.accessToken, 'GET', '/v1/users/me')).status, 200)
  const again = await refresh(first.refreshToken)
  assert.deepEqual([again.status, again.body.code], [401, 'unauthenticated'])
  assert.match(again.body.message, /session was ended/)
  assert.equal((await refresh(second.refreshToken)).status, 401, 'the thief has nothing either')
  assert.equal((await as(second.accessToken, 'GET', '/v1/users/me')).status, 401)
  assert.equal((await refresh('wrr_nothing')).status, 401)
  const login = async () =>
    (await as(undefined, 'POST', '/v1/auth/login', { email: 'refresh@example.com', password })).body
  const third = await login()
  const twins = await Promise.all([refresh(third.refreshToken), refresh(third.refreshToken)])
  assert.ok(twins.filter(({ status }) => status === 200).length <= 1, 'of two at once, one at most')
})

test('sessions are listed, ended one by one, and at sign-out', async () => {
  const one = await joined('sessions@example.com', 'viewer')
  const login = { email: 'sessions@example.com', password }
  const two = (await as(undefined, 'POST', '/v1/auth/login', login)).body
  const { sessions } = (await as(two.accessToken, 'GET', '/v1/auth/sessions')).body
  assert.deepEqual(
    sessions.map(({ id, current }: Answer) => [id, current]).sort(),
    [
      [one.sessionId, false],
      [two.sessionId, true],
    ].sort(),
  )
  const stranger = await joined('stranger@example.com', 'viewer')
  const path = `/v1/auth/sessions/${one.sessionId}`
  assert.equal((await as(stranger.accessToken, 'DELETE', path)).status, 404)
  assert.equal((await as(two.accessToken, 'DELETE', path)).status, 204)
  assert.equal((await as(one.accessToken, 'GET', '/v1/users/me')).status, 401)
  assert.equal((await as(two.accessToken, 'POST', '/v1/auth/logout')).status, 204)
  assert.equal((await as(two.accessToken, 'GET', '/v1/users/me')).status, 401)
  assert.equal((await as(undefined, 'POST', '/v1/auth/refresh', { refreshToken: two.refreshToken })).status, 401)
  assert.equal((await platform.call('GET', '/v1/auth/sessions')).status, 403, 'a key has none')
})

test('a second factor is asked for; no code is taken twice', async () => {
  const email = 'factor@example.com'
  const { accessToken } = await joined(email, 'viewer')
  const { secret, uri } = (await as(accessToken, 'POST', '/v1/users/me/totp')).body
  assert.match(uri, /^otpauth:\/\/totp\//)
  const login = (code?: string) =>
    as(undefined, 'POST', '/v1/auth/login', { email, password, ...(code ? { code } : {}) })
  assert.equal((await login()).status, 200, 'it does not count yet')
  assert.equal((await as(accessToken, 'POST', '/v1/users/me/totp/confirm', { code: '000000x' })).status, 401)
  const step = Math.floor(Date.now() / 30_000)
  const confirmed = await as(accessToken, 'POST', '/v1/users/me/totp/confirm', { code: totp(secret, step) })
  const { recoveryCodes } = confirmed.body
  assert.equal(recoveryCodes.length, 10)
  const asked = await login()
  assert.deepEqual([asked.status, asked.body.details], [401, { secondFactor: 'totp' }])
  assert.equal((await login(totp(secret, step))).status, 401, 'the code that confirmed it is used up')
  assert.equal((await login(totp(secret, step + 1))).status, 200)
  assert.equal((await login(totp(secret, step + 1))).status, 401, 'and so is that one')
  assert.equal((await login(recoveryCodes[0].toLowerCase())).status, 200)
  assert.equal((await login(recoveryCodes[0])).status, 401)
  assert.equal((await as(accessToken, 'POST', '/v1/users/me/totp')).status, 409)
  assert.equal((await as(accessToken, 'POST', '/v1/users/me/totp/remove', { code: recoveryCodes[1] })).status, 204)
  assert.equal((await login()).status, 200)
})

test('whoever has a session cannot try all codes there are to take the second factor away', async () => {
  const email = 'guessed@example.com'
  const { accessToken } = await joined(email, 'viewer')
  const { secret } = (await as(accessToken, 'POST', '/v1/users/me/totp')).body
  const code = totp(secret, Math.floor(Date.now() / 30_000))
  const { recoveryCodes } = (await as(accessToken, 'POST', '/v1/users/me/totp/confirm', { code })).body
  const remove = (shown: string) => as(accessToken, 'POST', '/v1/users/me/totp/remove', { code: shown })
  const statuses: number[] = []
  for (let at = 0; at < 12; at++) statuses.push((await remove(`00000${at}x`.slice(-7))).status)
  assert.deepEqual(new Set(statuses), new Set([401, 429]))
  assert.equal(statuses.filter((status) => status === 401).length, 10)
  assert.equal((await remove(recoveryCodes[0])).status, 429, 'nor with one that is right, for a while')
  const { user } = (await as(accessToken, 'GET', '/v1/users/me')).body
  assert.equal(user.hasSecondFactor, true)
})

test('two invitations of one who is new, taken up at once, make one user', async () => {
  const email = 'twice@example.com'
  const links = await Promise.all(
    [1, 2].map(() => platform.json('POST', '/v1/orgs/org0/invitations', { email, role: 'viewer' })),
  )
  const both = await Promise.all(
    links.map(({ link }: Answer) =>
      as(undefined, 'POST', '/v1/auth/join', { token: tokenOf(link), name: 'T', password }),
    ),
  )
  const statuses = both.map(({ status }) => status)
  assert.ok(statuses.includes(200) && statuses.every((status) => status === 200 || status === 409), String(statuses))
  const { members } = await platform.json('GET', '/v1/orgs/org0/members')
  assert.equal(members.filter((member: Answer) => member.email === email).length, 1)
})

test('a password is changed by who knows it, and reset by a link of the operator; other sessions end', async () => {
  const email = 'change@example.com'
  const one = await joined(email, 'viewer')
  const two = (await as(undefined, 'POST', '/v1/auth/login', { email, password })).body
  const change = (current: string, next: string) =>
    as(one.accessToken, 'POST', '/v1/users/me/password', { current, next })
  assert.equal((await change('wrong', 'another good password')).status, 401)
  assert.equal((await change(password, 'aaaaaaaaaaaaaaaa')).status, 400)
  assert.equal((await change(password, 'another good password')).status, 204)
  assert.equal((await as(one.accessToken, 'GET', '/v1/users/me')).status, 200)
  assert.equal((await as(two.accessToken, 'GET', '/v1/users/me')).status, 401)
  const { link } = await platform.json('POST', '/v1/users/password-links', { email })
  const reset = { token: tokenOf(link), password: 'a third good password' }
  assert.equal((await as(undefined, 'POST', '/v1/auth/join', reset)).status, 200)
  assert.equal((await as(undefined, 'POST', '/v1/auth/join', reset)).status, 401)
  assert.equal((await as(one.accessToken, 'GET', '/v1/users/me')).status, 401)
  assert.equal((await platform.call('POST', '/v1/users/password-links', { email: 'nobody@example.com' })).status, 404)
})

test('an invitation is not enough to become somebody who is there already', async () => {
  await joined('known@example.com', 'viewer')
  const org = await platform.json('POST', '/v1/orgs', { name: 'second' })
  const invite = { email: 'known@example.com', role: 'owner' }
  const { link } = await platform.json('POST', `/v1/orgs/${org.id}/invitations`, invite)
  const join = (given: string) => as(undefined, 'POST', '/v1/auth/join', { token: tokenOf(link), password: given })
  assert.equal((await join('the password of somebody else')).status, 401)
  const { accessToken } = (await join(password)).body
  const orgs = (await as(accessToken, 'GET', '/v1/orgs')).body.orgs
  assert.deepEqual(
    orgs.map(({ name }: Answer) => name),
    ['operator', 'second'],
  )
  const elsewhere = await as(accessToken, 'GET', '/v1/users/me', undefined, { 'warren-organisation': org.id })
  assert.deepEqual([elsewhere.body.organisation.name, elsewhere.body.role], ['second', 'owner'])
  assert.equal((await as(accessToken, 'GET', '/v1/users/me', undefined, { 'warren-organisation': 'none' })).status, 404)
})

test('tokens that were not made here for this are refused: no signature, another key, another use, too old', async () => {
  const { accessToken, userId, sessionId } = await joined('token@example.com', 'viewer')
  const claims = { iss: 'warren', aud: 'warren:session', sub: userId, jti: sessionId }
  const seed = (await readFile(join(platform.home, 'accounts.seed'), 'utf8')).trim()
  const secret = Buffer.from(hkdfSync('sha256', seed, '', 'warren sign', 32))
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret])
  const ours = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const signed = (more: object, key = ours, expires = '5m') =>
    new SignJWT({ ...claims, ...more })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(key)
  const me = async (token: string) => (await as(token, 'GET', '/v1/users/me')).status
  assert.equal(await me(await signed({})), 200, 'the tokens of this test are made as ours are')
  const [head, body, signature] = accessToken.split('.')
  const bad = {
    unsigned: new UnsecuredJWT(claims).setIssuedAt().setExpirationTime('5m').encode(),
    'by another key': await signed({}, generateKeyPairSync('ed25519').privateKey),
    'with the public key as a secret': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setExpirationTime('5m')
      .sign(secret),
    'for another use': await signed({ aud: 'warren:link' }),
    'by another issuer': await signed({ iss: 'elsewhere' }),
    expired: await signed({}, ours, '-1s'),
    'of another person': await signed({ sub: 'u0000' }),
    'of no session': await signed({ jti: 's0000' }),
    changed: `${head}.${body!.slice(0, -2)}AA.${signature}`,
    'without a signature': `${head}.${body}.`,
  }
  for (const [what, token] of Object.entries(bad)) assert.equal(await me(token), 401, what)
  assert.equal(
    (await as(undefined, 'POST', '/v1/auth/join', { token: accessToken, password })).status,
    401,
    'a session is no link',
  )
})

test('keys have a role, scopes and an end, belong to service accounts, and are revoked at once', async () => {
  const make = (body: object) => platform.json('POST', '/v1/keys', { name: 'k', ...body })
  const reader = await make({ scopes: ['sandboxes:read'] })
  assert.match(reader.key, /^e2b_[0-9a-f]{40}$/)
  assert.deepEqual([reader.role, reader.scopes, reader.createdBy], ['developer', ['sandboxes:read'], 'admin'])
  assert.equal((await as(reader.key, 'GET', '/v1/sandboxes')).status, 200)
  assert.equal((await as(reader.key, 'POST', '/v1/sandboxes', {})).status, 403)
  assert.equal((await as(reader.key, 'GET', '/v1/volumes')).status, 403)
  const wide = await make({ role: 'viewer', scopes: ['sandboxes:write', 'platform:manage'] })
  assert.equal((await as(wide.key, 'POST', '/v1/sandboxes', {})).status, 403, 'scopes do not widen')

  const maker = await make({ role: 'admin', scopes: ['keys:manage', 'sandboxes:read'] })
  assert.equal(
    (await as(maker.key, 'POST', '/v1/keys', { name: 'more' })).status,
    403,
    'nobody gives more than they have',
  )
  assert.equal((await as(maker.key, 'POST', '/access-tokens', { name: 'more' })).status, 403)
  assert.equal((await as(maker.key, 'POST', '/v1/keys', { name: 'less', scopes: ['sandboxes:read'] })).status, 201)

  const service = await platform.json('POST', '/v1/service-accounts', { name: 'ci', role: 'viewer' })
  assert.equal((await platform.call('POST', '/v1/service-accounts', { name: 'ci', role: 'viewer' })).status, 409)
  const robot = await make({ serviceAccount: 'ci' })
  const who = (await as(robot.key, 'GET', '/v1/users/me')).body
  assert.deepEqual([who.kind, who.id, who.role], ['service', service.id, 'viewer'])
  await platform.json('DELETE', '/v1/service-accounts/ci')
  assert.equal((await as(robot.key, 'GET', '/v1/users/me')).status, 401)

  const { keys } = await platform.json('GET', '/v1/keys')
  assert.ok(keys.every((key: Answer) => key.key === undefined && /^(sk_)?e2b_..….{4}$/.test(key.masked)))
  assert.equal((await platform.call('DELETE', `/v1/keys/${reader.id}`)).status, 204)
  assert.equal((await as(reader.key, 'GET', '/v1/sandboxes')).status, 401)
  assert.equal((await platform.call('DELETE', `/v1/keys/${reader.id}`)).status, 404)
  const brief = await make({ expiresInSeconds: 1 })
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.match((await as(brief.key, 'GET', '/v1/sandboxes')).body.message, /expired/)
})

test('a key in an address is refused, and not logged', async () => {
  const { key } = await platform.json('POST', '/v1/keys', { name: 'leaked' })
  for (const path of [`/v1/sandboxes?api_key=${key}`, `/sandboxes/${key}`]) {
    const { status, body } = await as(key, 'GET', path)
    assert.equal(status, 400, path)
    assert.match(JSON.stringify(body), /key in the address/)
  }
  assert.ok(!platform.log().includes(key))
})

test('what is sent twice is done once, and what is malformed not at all', async () => {
  const twice = await Promise.all([1, 2].map(() => platform.call('POST', '/v1/orgs', { name: 'twice' })))
  assert.deepEqual(twice.map(({ status }) => status).sort(), [201, 409])
  for (const [path, body] of [
    ['/v1/orgs', { name: 'Upper Case' }],
    ['/v1/orgs', { name: 'x', plan: 'free' }],
    ['/v1/orgs', '{"name":"x","__proto__":{"admin":true}}'],
    ['/v1/keys', { name: 'x', scopes: ['everything'] }],
    ['/v1/keys', { name: 'x', expiresInSeconds: -1 }],
    ['/v1/orgs/org0/invitations', { email: 'no address', role: 'viewer' }],
    ['/v1/orgs/org0/invitations', { email: 'a@example.com', role: 'operator' }],
    ['/v1/auth/login', { email: 'a@example.com', password: 'x'.repeat(300) }],
  ] as const) {
    const headers = { 'content-type': 'application/json' }
    assert.equal((await platform.call('POST', path, body, { headers })).status, 400, `${path} ${JSON.stringify(body)}`)
  }
  const { orgs } = await platform.json('GET', '/v1/orgs')
  assert.deepEqual(orgs.map(({ name }: Answer) => name).sort(), ['operator', 'second', 'twice'])
})
