import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureInBody, failureOfAnswer } from './vendor-failure.ts'

const of = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  failureOfAnswer(
    status,
    new Headers(headers),
    typeof body === 'string' ? body : JSON.stringify(body),
    Date.UTC(2026, 0, 1),
  )

test('what is said outweighs the status', () => {
  const cases: [number, unknown, string][] = [
    [
      429,
      { error: { message: 'You exceeded your current quota', type: 'insufficient_quota', code: 'insufficient_quota' } },
      'quota_exceeded',
    ],
    [
      429,
      [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'You exceeded your current quota' } }],
      'rate_limited',
    ],
    [429, { error: { type: 'engine_overloaded_error', message: 'busy' } }, 'overloaded'],
    [
      400,
      { error: { code: 'context_length_exceeded', message: "This model's maximum context length is 8192 tokens" } },
      'context_too_long',
    ],
    [
      400,
      {
        error: {
          code: 400,
          status: 'INVALID_ARGUMENT',
          message: 'The input token count (2000000) exceeds the maximum',
        },
      },
      'context_too_long',
    ],
    [
      413,
      { type: 'error', error: { type: 'request_too_large', message: 'Request exceeds the maximum size' } },
      'context_too_long',
    ],
    [
      400,
      { error: { code: 400, status: 'INVALID_ARGUMENT', message: 'API key not valid. Please pass a valid API key.' } },
      'auth',
    ],
    [
      400,
      { type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low' } },
      'quota_exceeded',
    ],
    [402, { error: { message: 'Insufficient Balance' } }, 'quota_exceeded'],
    [
      400,
      { error: { code: 'data_inspection_failed', message: 'Output data may contain inappropriate content.' } },
      'content_filtered',
    ],
    [400, { error: { message: 'max_tokens: 300000 is above 64000' } }, 'invalid_request'],
    [400, { error: { message: 'The model `x` does not exist', code: 'model_not_found' } }, 'not_found'],
    [404, { detail: 'Not Found' }, 'not_found'],
    [403, '<h1>Forbidden</h1>', 'auth'],
    [500, { message: 'Internal', request_id: 'r' }, 'server_error'],
  ]
  for (const [status, body, code] of cases) assert.equal(of(status, body).code, code, JSON.stringify(body))
})

test('an error within an answer is found in every shape, and nothing else is', () => {
  assert.equal(failureInBody({ type: 'error', error: { type: 'overloaded_error', message: 'x' } })?.code, 'overloaded')
  assert.equal(
    failureInBody({ error: { message: 'gone', code: 502, metadata: { raw: 'upstream' } } })?.code,
    'server_error',
  )
  assert.equal(failureInBody({ type: 'error', code: 'rate_limit_exceeded', message: 'x' })?.code, 'rate_limited')
  assert.equal(failureInBody({ error: 'model is overloaded, busy' })?.code, 'overloaded')
  assert.equal(failureInBody({ base_resp: { status_code: 1002, status_msg: 'rate limit' } })?.code, 'rate_limited')
  for (const fine of [
    {},
    { error: null, choices: [] },
    { error: {} },
    { base_resp: { status_code: 0 } },
    { type: 'message' },
  ])
    assert.equal(failureInBody(fine), undefined)
})

test('the wait comes from headers or the body', () => {
  const wait = (headers: Record<string, string>, body: unknown = {}) => of(429, body, headers).retryAfterMs
  assert.equal(wait({ 'retry-after': '2.5' }), 2500)
  assert.equal(wait({ 'retry-after-ms': '40', 'retry-after': '9' }), 40)
  assert.equal(wait({ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }), 30_000)
  assert.equal(wait({ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }), 0)
  assert.equal(wait({ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0.5s' }), 360_500)
  assert.equal(wait({ 'x-ratelimit-remaining-tokens': '5', 'x-ratelimit-reset-tokens': '6m' }), undefined)
  assert.equal(
    wait({
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:10Z',
    }),
    10_000,
  )
  const info = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.07s' }]
  assert.equal(wait({}, { error: { details: info } }), 34_070)
  const clock = { date: 'Mon, 23 Nov 2026 13:00:00 GMT', 'retry-after': 'Mon, 23 Nov 2026 13:00:30 GMT' }
  assert.equal(wait(clock), 30_000, 'by the clock of who says it')
  assert.equal(wait({ 'retry-after': '120, 120' }), 120_000, 'the same header twice')
  assert.equal(wait({ 'retry-after': '1m30s' }), 90_000)
  for (const told of ['soon', '-1', '', ', 5', '1.2.3']) assert.equal(wait({ 'retry-after': told }), undefined, told)
})

test('long pages become a short sentence', () => {
  assert.equal(of(502, '<html><style>x{}</style><title>Bad\n gateway</title>').message, 'Bad gateway')
  assert.ok(of(500, 'x'.repeat(5000)).message.length < 600)
})
