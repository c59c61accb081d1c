import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startPlatform } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
const folder = mkdtempSync(join(tmpdir(), 'warren-cli-'))
after(() => rmSync(folder, { recursive: true }))
const operator = { WARREN_URL: platform.url, WARREN_HOME: platform.home, XDG_CONFIG_HOME: join(folder, 'nobody') }
const person = { ...operator, WARREN_HOME: folder, XDG_CONFIG_HOME: folder }
const password = 'four words nobody guesses'
const session = join(folder, 'warren', 'session.json')

test('the operator invites the first person, who joins, is somebody, and leaves', async () => {
  const invited = await warren(['org', 'invite', 'ann@example.com', '--role', 'owner'], { env: operator })
  assert.match(invited.stdout, /^http:\/\/127\.0\.0\.1:\d+\/join#eyJ\S+\n$/, invited.stderr)
  assert.match(invited.stderr, /Send it to ann@example\.com/)
  const joined = await warren(['join', invited.stdout.trim(), '--name', 'Ann'], { env: person, stdin: `${password}\n` })
  assert.deepEqual([joined.code, joined.stdout], [0, ''], joined.stderr)
  assert.match(joined.stderr, /Signed in as ann@example\.com, owner of operator/)
  assert.equal(statSync(session).mode & 0o777, 0o600)
  const who = await warren(['whoami', '--json'], { env: person })
  assert.deepEqual(JSON.parse(who.stdout).user.name, 'Ann')
  const members = await warren(['org', 'members'], { env: person })
  assert.match(members.stdout, /ann@example\.com +Ann +owner/)
  assert.match((await warren(['whoami'], { env: operator })).stdout, /admin key +operator +operator/)

  assert.equal((await warren(['logout'], { env: person })).code, 0)
  assert.equal(existsSync(session), false)
  const wrong = await warren(['login', 'ann@example.com'], { env: person, stdin: 'wrong\n' })
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /the address or the password is wrong/)
  assert.equal((await warren(['login'], { env: person, stdin: `ann@example.com\n${password}\n` })).code, 0)
})

test('a session is renewed by itself, by one command at a time', async () => {
  const before = JSON.parse(readFileSync(session, 'utf8'))
  writeFileSync(session, JSON.stringify({ ...before, expiresAt: new Date().toISOString() }))
  const both = await Promise.all([1, 2].map(() => warren(['whoami'], { env: person })))
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
    both[0]!.stderr + both[1]!.stderr,
  )
  assert.notEqual(JSON.parse(readFileSync(session, 'utf8')).refreshToken, before.refreshToken)
})

test('keys are made, listed and revoked', async () => {
  const made = await warren(['key', 'create', 'ci', '--scope', 'sandboxes:read', '--expires', '30d'], { env: person })
  assert.match(made.stdout, /^e2b_[0-9a-f]{40}\n$/, made.stderr)
  const asKey = { ...person, WARREN_API_KEY: made.stdout.trim() }
  assert.equal((await warren(['sandbox', 'list'], { env: asKey })).code, 0)
  assert.match(
    (await warren(['volume', 'list'], { env: asKey })).stderr,
    /its scopes leave out the permission "volumes:read"/,
  )
  const [key] = JSON.parse((await warren(['key', 'list', '--json'], { env: person })).stdout)
  assert.equal((await warren(['key', 'revoke', key.id], { env: person })).code, 0)
  assert.equal((await warren(['sandbox', 'list'], { env: asKey })).code, 1)
})

test('organisations are made and changed to; the audit log tells, is whole and is exported; in Chinese too', async () => {
  const id = (await warren(['org', 'create', 'second'], { env: operator })).stdout.trim()
  assert.match(id, /^org\w+$/)
  const { stdout: link } = await warren(['org', 'invite', 'ann@example.com', '--org', 'second'], { env: operator })
  assert.equal((await warren(['join', link.trim()], { env: person, stdin: `${password}\n` })).code, 0)
  assert.equal((await warren(['org', 'use', 'second'], { env: person })).code, 0)
  assert.match((await warren(['whoami'], { env: person })).stdout, /second +developer/)
  assert.equal((await warren(['audit', 'list'], { env: person })).code, 1)

  const listed = await warren(['audit', 'list', '--action', 'key.'], { env: operator })
  assert.match(listed.stdout, /key\.revoke .* done +127\.0\.0\.1/)
  assert.match((await warren(['audit', 'verify'], { env: operator })).stdout, /The chain is whole: \d+ entries/)
  const chinese = await warren(['audit', 'verify'], { env: { ...operator, LC_ALL: 'zh_CN.UTF-8' } })
  assert.match(chinese.stdout, /哈希链完整/)
  const lines = (await warren(['audit', 'export'], { env: operator })).stdout.trimEnd().split('\n')
  assert.ok(lines.every((line, at) => JSON.parse(line).seq === at + 1))
})
