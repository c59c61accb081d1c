import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyDelivery } from './verify-delivery.ts'

const rules = { signatureHeader: undefined, idHeader: undefined, toleranceSeconds: 300 }
const at = (seconds: number) => new Date(seconds * 1000)

test('the example of the Standard Webhooks specification is taken, and nothing that differs from it', () => {
  // As in the specification's libraries.
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1a,none v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  const body = Buffer.from('{"test": 2432232314}')
  const hook = { ...rules, scheme: 'standard-webhooks' as const }
  const verify = (changed: object, key = secret, now = 1614265330) =>
    verifyDelivery(hook, ['whsec_b3RoZXI=', key], { headers, body, now: at(now), ...changed })
  assert.equal(verify({}), headers['webhook-id'])
  assert.equal(verify({}, secret, 1614265330 + 300), headers['webhook-id'])
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature } = headers
  const svix = { 'svix-id': id, 'svix-timestamp': time, 'svix-signature': signature }
  assert.equal(verify({ headers: svix }), id)
  for (const refused of [
    () => verify({ body: Buffer.from('{"test": 2432232315}') }),
    () => verify({ headers: { ...headers, 'webhook-id': 'another' } }),
    () => verify({ headers: { ...headers, 'webhook-timestamp': '1614265331' } }),
    () => verify({ headers: { ...headers, 'webhook-timestamp': 'NaN' } }),
    () => verify({ headers: { ...headers, 'webhook-signature': `v2,${signature.slice(11)}` } }),
    () => verify({ headers: {} }),
    () => verify({}, 'whsec_b3RoZXI='),
    () => verify({}, secret, 1614265330 + 301),
    () => verify({}, secret, 1614265330 - 301),
    () => verifyDelivery(hook, [''], { headers, body, now: at(1614265330) }),
  ])
    assert.throws(refused, { code: 'unauthenticated' })
})

test("the example of GitHub's documentation is taken, by its delivery or by its body", () => {
  const secret = "It's a Secret to Everybody"
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  const body = Buffer.from('Hello, World!')
  const hook = { ...rules, scheme: 'github' as const }
  const verify = (headers: object, changed: object = {}) =>
    verifyDelivery({ ...hook, ...changed }, [secret], { headers: { ...headers }, body, now: at(0) })
  assert.equal(verify({ 'x-hub-signature-256': signature, 'x-github-delivery': 'd1' }), 'd1')
  assert.match(verify({ 'x-hub-signature-256': signature }) ?? '', /^[0-9a-f]{64}$/)
  const others = { signatureHeader: 'X-Gitea-Signature', idHeader: 'X-Gitea-Delivery' }
  assert.equal(verify({ 'x-gitea-signature': signature.slice(7), 'x-gitea-delivery': 'd2' }, others), 'd2')
  assert.match(
    verify({ 'x-hub-signature-256': signature, 'x-github-delivery': 'x'.repeat(300) }) ?? '',
    /^[0-9a-f]{64}$/,
  )
  assert.throws(() => verify({ 'x-hub-signature-256': signature.replace('7', '8') }), { code: 'unauthenticated' })
  assert.throws(() => verify({ 'x-hub-signature': signature }), { code: 'unauthenticated' })
})

test('a signature as Stripe has it is taken within its time, with the id of the event', () => {
  const hook = { ...rules, scheme: 'stripe' as const, toleranceSeconds: 60 }
  // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
  const right = 'c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925'
  const body = Buffer.from('{"id":"evt_1"}')
  const verify = (header: string, now = 1700000000) =>
    verifyDelivery(hook, ['whsec_test'], { headers: { 'stripe-signature': header }, body, now: at(now) })
  assert.equal(verify(`t=1700000000,v1=${'0'.repeat(64)},v1=${right},v0=x`), 'evt_1')
  assert.throws(() => verify(`t=1700000000,v1=${right}`, 1700000061), { code: 'unauthenticated' })
  assert.throws(() => verify(`t=1700000001,v1=${right}`), { code: 'unauthenticated' })
  assert.throws(() => verify(`t=1700000000,v0=${right}`), { code: 'unauthenticated' })
  assert.throws(() => verify(`v1=${right}`), { code: 'unauthenticated' })
})
