import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { checkExchanges } from '../../src/models/check-exchanges.ts'
import type { Exchange } from '../../src/models/exchange.ts'
import { type HttpModelOptions, httpModel } from '../../src/models/http-model.ts'
import { type Api, type AssistantMessage, apis, type Message, toolCallsOf } from '../../src/models/message.ts'
import { type FailureCode, type Model, type ModelEvent, type ModelRequest, outcomeOf } from '../../src/models/model.ts'
import { wireOf } from '../../src/models/open-model.ts'
import { seeded } from '../vendors/seeded.ts'
import { openVendorServer, type VendorReply, type VendorServer } from '../vendors/server.ts'
import { type Said, speech } from '../vendors/speech.ts'

const key = 'sk-contract-0123456789abcdef'

const full: Said = {
  reasoning: 'The user wants a sum — 求和.',
  signature: 'c2lnbmF0dXJlLW9mLXRoZS12ZW5kb3I=',
  text: 'I compute 6 × 7 for you, 好的 🦫.',
  calls: [
    { id: 'call_1', name: 'calculator', arguments: '{"expression":"6 * 7","note":"沙箱\\n\\"x\\""}' },
    { id: 'call_2', name: 'now', arguments: '' },
  ],
  usage: { input: 120, output: 40, cached: 100, reasoning: 12 },
}

const request: ModelRequest = {
  messages: [
    { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is 6 × 7?' },
        { type: 'image', data: 'iVBORw0KGgo=', mediaType: 'image/png' },
      ],
    },
  ],
  tools: [
    {
      name: 'calculator',
      description: 'Computes.',
      inputSchema: { type: 'object', properties: { expression: { type: 'string' } } },
    },
    { name: 'now', inputSchema: { type: 'object', properties: {} } },
  ],
  maxOutputTokens: 500,
}

/** The promises every adapter keeps, over a loopback server that speaks its wire. */
export function testModel(api: Api): void {
  describe(`model adapter ${api}`, () => {
    let server: VendorServer
    const spoken = speech[api]
    before(async () => {
      server = await openVendorServer()
    })
    after(() => server.close())

    const open = (options: Partial<HttpModelOptions> = {}): Model =>
      httpModel(
        { fetch, now: Date.now, newId: counter() },
        { wire: wireOf(api, 'compatible'), model: 'm-1', baseUrl: server.url, key, ...options },
      )
    const ask = (reply: VendorReply, options: Partial<HttpModelOptions> = {}, signal?: AbortSignal) => {
      server.answer(reply)
      return collect(open(options).stream(request, signal))
    }
    const failure = async (reply: VendorReply, options: Partial<HttpModelOptions> = {}) => {
      const last = (await ask(reply, options)).at(-1)!
      assert.equal(last.type, 'failed', JSON.stringify(last))
      return last.type === 'failed' ? last.failure : assert.fail()
    }

    test('text, reasoning with its proof, tool calls, usage and the reason to stop', async () => {
      const events = await ask({ body: spoken(full).events })
      assertFull(api, doneOf(events))
      const text = events.flatMap((event) => (event.type === 'text' ? event.text : [])).join('')
      assert.equal(text, full.text)
      assert.equal(events.filter(({ type }) => type === 'tool_call').length, 2)
    })

    test('a whole JSON answer gives the same message', async () => {
      const json = { 'content-type': 'application/json' }
      const whole = doneOf(await ask({ body: spoken(full).json, headers: json }, { stream: false }))
      const streamed = doneOf(await ask({ body: spoken(full).events }))
      assert.deepEqual(whole, streamed)
    })

    test('the message is the same wherever the bytes are cut', async () => {
      const { events } = spoken(full)
      const whole = await ask({ body: events })
      assert.deepEqual(doneOf(await ask({ body: events, chunkBytes: 1 })), doneOf(whole))
      for (const chunkBytes of [2, 3, 7, 64])
        assert.deepEqual(doneOf(await ask({ body: events, chunkBytes })), doneOf(whole))
    })

    test('what stops for length says so, and missing usage is unknown', async () => {
      const message = doneOf(await ask({ body: spoken({ text: 'cut', stop: 'length' }).events }))
      assert.equal(message.stopReason, 'length')
      assert.equal(message.usage, undefined)
    })

    test('a stream without its last blank line, without its end mark, with comments and a byte order mark is whole', async () => {
      const { events } = spoken({ text: 'Hello' })
      const bare = `\ufeff: hello\n\n${events.replace('data: [DONE]\n\n', '').trimEnd()}`
      assert.equal(doneOf(await ask({ body: bare })).content.length, 1)
    })

    test('a stream that is cut anywhere is a failure, never a message', async () => {
      const body = Buffer.from(spoken(full).events)
      // Its end says nothing that the message needs.
      const needed = lastNeeded(api, body)
      for (let at = 0; at <= 12; at++) {
        const cutAfter = Math.floor((needed * at) / 13)
        for (const broken of [{ body: body.subarray(0, cutAfter) }, { body, cutAfter }]) {
          const last = (await ask(broken)).at(-1)!
          assert.equal(last.type, 'failed', `cut after ${cutAfter} of ${body.length}`)
          if (last.type === 'failed') assert.match(last.failure.code, /^(network|malformed)$/)
        }
      }
    })

    test('errors of vendors are typed, whatever their shape', async () => {
      const shapes: [VendorReply, FailureCode][] = [
        [{ status: 401, body: errorOf(api, 'authentication_error', 'bad key') }, 'auth'],
        [
          { status: 429, body: errorOf(api, 'rate_limit_error', 'slow down'), headers: { 'retry-after': '7' } },
          'rate_limited',
        ],
        [
          { status: 400, body: errorOf(api, 'invalid_request_error', 'prompt is too long: 9 tokens') },
          'context_too_long',
        ],
        [
          { status: 400, body: errorOf(api, 'invalid_request_error', 'temperature must be at most 2') },
          'invalid_request',
        ],
        [{ status: 404, body: errorOf(api, 'not_found_error', 'no such model') }, 'not_found'],
        [{ status: 500, body: errorOf(api, 'api_error', 'oops') }, 'server_error'],
        [{ status: 529, body: errorOf(api, 'overloaded_error', 'Overloaded') }, 'overloaded'],
        [{ status: 502, body: '<html><head><title>502 Bad Gateway</title></head></html>' }, 'server_error'],
        [{ status: 503, body: '' }, 'overloaded'],
        [{ status: 500, body: 'upstream connect error' }, 'server_error'],
        [{ status: 422, body: '{"detail":[{"loc":["body","messages"],"msg":"field required"}]}' }, 'invalid_request'],
        [{ status: 302, body: '', headers: { location: 'https://example.invalid/' } }, 'not_found'],
        [{ status: 500, body: Buffer.from([0xff, 0xfe, 0x00, 0x7b]) }, 'server_error'],
      ]
      for (const [reply, code] of shapes) {
        const found = await failure(reply)
        assert.equal(found.code, code, `${reply.status} ${reply.body}`)
        assert.equal(found.status, reply.status)
        assert.ok(found.message.length > 0)
        if (reply.headers?.['retry-after']) assert.equal(found.retryAfterMs, 7000)
      }
    })

    test('garbage with status 200 is a failure', async () => {
      for (const body of [
        '',
        '{}',
        'null',
        '[]',
        '<html>hi</html>',
        'no',
        'data: {"a":\n\ndata: x\n\n',
        '{"a":1',
        Buffer.from([0xff, 0x00, 0x7b]),
      ])
        assert.match((await failure({ body })).code, /^(malformed|network)$/, String(body))
    })

    test('an error in the middle of a stream is a failure with what had come', async () => {
      const { events } = spoken({ ...full, usage: undefined } as Said)
      const half = events.slice(0, events.indexOf('\n', events.length / 2) + 1)
      const begun = half.slice(0, half.lastIndexOf('data:')).replace(/event: \S+\s*$/, '')
      const error = errorOf(api, 'overloaded_error', 'Overloaded')
      const last = (await ask({ body: `${begun}event: error\ndata: ${error}\n\n` })).at(-1)!
      assert.ok(last.type === 'failed' && last.failure.code === 'overloaded' && last.partial, JSON.stringify(last))
    })

    test('the caller may give up before, while it waits, and while it reads', async () => {
      const gaveUp = AbortSignal.abort()
      assert.deepEqual(codes(await ask({ body: spoken(full).events }, {}, gaveUp)), ['cancelled'])

      for (const reply of [
        { body: '', hangs: true },
        { body: spoken(full).events.slice(0, 900), hangs: true },
      ]) {
        const abort = new AbortController()
        server.answer(reply)
        const seen = server.requests.length
        const events = collect(open().stream(request, abort.signal))
        while (server.requests.length === seen) await new Promise((resolve) => setTimeout(resolve, 5))
        abort.abort()
        assert.deepEqual(codes(await events), ['cancelled'])
        await server.clientGone()
      }
    })

    test('a consumer that stops iterating lets the connection go', async () => {
      server.answer({ body: spoken(full).events.slice(0, 900), hangs: true })
      for await (const _ of open().stream(request)) break
      await server.clientGone()
    })

    test('a vendor that falls silent is a timeout, before and after its first words', async () => {
      for (const reply of [
        { body: '', hangs: true },
        { body: spoken(full).events.slice(0, 900), hangs: true },
      ])
        assert.equal((await failure(reply, { idleMs: 50 })).code, 'timeout')
    })

    test('a vendor that is not there is a network failure', async () => {
      const nobody = open({ baseUrl: 'http://127.0.0.1:1' })
      assert.deepEqual(codes(await collect(nobody.stream(request))), ['network'])
    })

    test('an answer without end is a failure', async () => {
      assert.equal((await failure({ body: spoken(full).events }, { maxResponseBytes: 300 })).code, 'malformed')
    })

    test('the key is sent, and is in no event and no record', async () => {
      const taps: Exchange[] = []
      const tap = (exchange: Exchange) => taps.push(exchange)
      const found = await failure(
        { status: 401, body: errorOf(api, 'x', `Incorrect API key provided: ${key}`) },
        { tap },
      )
      assert.ok(JSON.stringify(server.requests.at(-1)!.headers).includes(key))
      assert.equal(found.code, 'auth')
      assert.doesNotMatch(JSON.stringify([found, taps]), /sk-contract/)
    })

    test('what the tap records is verbatim, bounded, and passes the check', async () => {
      const taps: Exchange[] = []
      const tap = (exchange: Exchange) => taps.push(exchange)
      await ask({ body: spoken(full).events }, { tap })
      assert.equal(taps[0]!.body, spoken(full).events)
      assert.equal(taps[0]!.request, server.requests.at(-1)!.body)
      await ask({ status: 500, body: '<html>' }, { tap })
      const report = await checkExchanges(taps.map((exchange) => JSON.stringify(exchange)))
      assert.deepEqual(report.apis[api], { pass: true, passed: 2, failed: 0, reasons: [] })
      await ask({ body: spoken(full).events }, { tap, maxTapBytes: 10 })
      assert.deepEqual([taps[2]!.truncated, taps[2]!.body.length], [true, 10])
    })

    test('the answer and the results of its calls go back as the vendor wants them', async () => {
      const message = doneOf(await ask({ body: spoken(full).events }))
      const results = toolCallsOf(message).map(
        ({ id }): Message => ({ role: 'tool', callId: id, content: [{ type: 'text', text: `42 of ${id}` }] }),
      )
      server.answer({ body: spoken({ text: '42' }).events })
      // The results are handed over in the wrong order.
      await outcomeOf(open().stream({ ...request, messages: [...request.messages, message, ...results.reverse()] }))
      const sent = JSON.parse(server.requests.at(-1)!.body)
      const read = wireOf(api, 'compatible').readRequest(sent).request.messages
      assert.deepEqual(
        read.map(({ role }) => role),
        ['system', 'user', 'assistant', 'tool', 'tool'],
      )
      assert.deepEqual(
        read.slice(3).map((one) => one.role === 'tool' && one.callId),
        ['call_1', 'call_2'],
      )
      if (api !== 'openai-chat') assert.ok(JSON.stringify(sent).includes(full.signature!), 'the signature goes back')
    })

    test('an answer of any other API goes on here, without signatures, calls and results together', () => {
      for (const other of apis.filter((one) => one !== api)) {
        const body = wireOf(api, 'compatible').writeRequest(
          { messages: [...request.messages, foreign(other)] },
          { model: 'm-1', stream: true },
        )
        const read = wireOf(api, 'compatible').readRequest(body).request.messages
        assert.equal(JSON.stringify(body).includes(full.signature!), false)
        assert.deepEqual(
          read.map(({ role }) => role),
          ['system', 'user', 'assistant', 'tool'],
        )
      }
    })

    test('whatever comes, one outcome comes last', async () => {
      const random = seeded(20261121)
      const { events, json } = spoken(full)
      for (let round = 0; round < 60; round++) {
        const body = damage(Buffer.from(round % 3 === 0 ? json : events), random)
        const status = round % 10 === 9 ? 500 : 200
        const all = await ask({
          body,
          status,
          chunkBytes: 1 + random(400),
          ...(random(4) === 0 && { cutAfter: random(body.length) }),
        })
        const ends = all.filter(({ type }) => type === 'done' || type === 'failed')
        assert.equal(ends.length, 1, `round ${round}`)
        assert.equal(all.at(-1), ends[0])
      }
    })
  })
}

function assertFull(api: Api, message: AssistantMessage): void {
  const [reasoning, text, ...calls] = message.content
  assert.ok(reasoning?.type === 'reasoning' && reasoning.text === full.reasoning)
  assert.ok(text?.type === 'text' && text.text === full.text)
  assert.deepEqual(
    calls.map((call) => call.type === 'tool_call' && { id: call.id, name: call.name, arguments: call.arguments }),
    [
      { id: 'call_1', name: 'calculator', arguments: { expression: '6 * 7', note: '沙箱\n"x"' } },
      { id: 'call_2', name: 'now', arguments: {} },
    ],
  )
  assert.equal(message.stopReason, 'tool_calls')
  assert.deepEqual(message.usage, {
    inputTokens: 120,
    outputTokens: 40,
    cachedInputTokens: 100,
    cacheWriteTokens: 0,
    // Not counted apart there.
    reasoningTokens: api === 'anthropic' ? 0 : 12,
  })
  const signed = message.content.find((part) => 'signature' in part)
  if (api !== 'openai-chat') assert.equal(signed && 'signature' in signed && signed.signature, full.signature)
}

function foreign(api: Api): AssistantMessage {
  return {
    role: 'assistant',
    content: [
      { type: 'reasoning', text: 'hm', signature: full.signature! },
      { type: 'text', text: 'Let me see.' },
      {
        type: 'tool_call',
        id: 'toolu_0123456789abcdef0123456789abcdef0123456789',
        name: 'now',
        arguments: {},
        signature: full.signature!,
      },
    ],
    stopReason: 'tool_calls',
    origin: { api },
  }
}

/** Up to where the bytes are needed: after it only a count of tokens or an end mark comes. */
function lastNeeded(api: Api, body: Buffer): number {
  const mark = {
    'openai-chat': '"finish_reason":"tool_calls"',
    anthropic: '"stop_reason":"tool_use"',
    'openai-responses': 'response.completed',
    gemini: '"finishReason"',
  }
  return body.lastIndexOf(mark[api])
}

function errorOf(api: Api, type: string, message: string): string {
  if (api === 'anthropic') return JSON.stringify({ type: 'error', error: { type, message } })
  if (api === 'gemini') return JSON.stringify({ error: { code: 400, status: type.toUpperCase(), message } })
  return JSON.stringify({ error: { message, type, param: null, code: null } })
}

/** Bytes changed, left out, doubled or moved. */
function damage(body: Buffer, random: (below: number) => number): Buffer {
  const damaged = Buffer.from(body)
  for (let times = random(6); times > 0; times--) damaged[random(damaged.length)] = random(256)
  const [from, to] = [random(damaged.length), random(damaged.length)].sort((a, b) => a - b) as [number, number]
  const kinds = [
    () => damaged,
    () => damaged.subarray(0, to),
    () => Buffer.concat([damaged.subarray(0, from), damaged.subarray(to)]),
    () => Buffer.concat([damaged.subarray(0, to), damaged.subarray(from)]),
  ]
  return kinds[random(kinds.length)]!()
}

function counter(): () => string {
  let count = 0
  return () => `call_made_${++count}`
}

async function collect(stream: AsyncIterable<ModelEvent>): Promise<ModelEvent[]> {
  const events: ModelEvent[] = []
  for await (const event of stream) events.push(event)
  return events
}

function doneOf(events: ModelEvent[]): AssistantMessage {
  const last = events.at(-1)!
  return last.type === 'done' ? last.message : assert.fail(JSON.stringify(last))
}

function codes(events: ModelEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'failed' ? event.failure.code : []))
}
