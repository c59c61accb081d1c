import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempts } from './attempts.ts'
import { hashPassword, isPassword } from './password.ts'
import { base32, newTotpSecret, stepOf, totp, totpUri } from './totp.ts'

test('codes are those of RFC 6238', () => {
  const secret = base32(Buffer.from('12345678901234567890'))
  // Its table has eight digits: these are the last six.
  const table = { 59: '287082', 1111111109: '081804', 1111111111: '050471', 1234567890: '005924', 2000000000: '279037' }
  for (const [seconds, code] of Object.entries(table))
    assert.equal(totp(secret, Math.floor(Number(seconds) / 30)), code)
})

test('a code is taken one step early and one step late, and no further', () => {
  const secret = newTotpSecret()
  const at = new Date(1_900_000_000_000)
  const present = Math.floor(at.getTime() / 30_000)
  for (const step of [present - 1, present, present + 1]) assert.equal(stepOf(secret, totp(secret, step), at), step)
  const near = [present - 1, present, present + 1].map((step) => totp(secret, step))
  for (const step of [present - 2, present + 2])
    if (!near.includes(totp(secret, step))) assert.equal(stepOf(secret, totp(secret, step), at), undefined)
  assert.match(
    totpUri(secret, 'a@example.com'),
    /^otpauth:\/\/totp\/Warren%3Aa%40example\.com\?secret=[A-Z2-7]{32}&issuer=Warren/,
  )
})

test('a password is kept as Argon2id, each time another, and only it fits', async () => {
  const kept = await hashPassword('correct horse battery')
  assert.match(kept, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  assert.notEqual(await hashPassword('correct horse battery'), kept)
  assert.equal(await isPassword('correct horse battery', kept), true)
  assert.equal(await isPassword('correct horse batterz', kept), false)
  assert.equal(await isPassword('correct horse battery', null), false)
  assert.equal(await isPassword('e\u0301a', await hashPassword('\u00e9a')), true, 'however the keyboard composes it')
})

test('attempts that fail run out, come back with time, and are remembered for so many names only', () => {
  let at = 0
  const attempts = new Attempts({ most: 3, everyMs: 1000, remembered: 2, now: () => new Date(at) })
  for (let i = 0; i < 10; i++) attempts.take('right')()
  for (let i = 0; i < 3; i++) attempts.take('wrong')
  assert.throws(() => attempts.take('wrong'), {
    code: 'limit_exceeded',
    details: { retryAfterSeconds: 1, rate: { policy: '3;w=3', limit: 3, remaining: 0, resetSeconds: 3 } },
  })
  attempts.take('other')
  at = 1000
  attempts.take('wrong')
  assert.throws(() => attempts.take('wrong'), { code: 'limit_exceeded' })
  attempts.take('third')
  attempts.take('fourth')
  attempts.take('wrong')
})
