import type { IncomingMessage, ServerResponse } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { clientGone } from '../../../client-gone.ts'
import { cutOff } from '../../../cut-off.ts'
import type { Call } from '../call.ts'
import { fromBinary, toBinary } from './binary.ts'
import { fromJson, toJson } from './json.ts'
import type { Message, Read, Written } from './message.ts'
import { RpcError, rpcErrorOf, rpcStatus } from './rpc-error.ts'

/** A procedure: one message in, one out; a stream of them out; or a stream of them in. */
export type Procedure =
  | { kind: 'unary'; input: Message; output: Message; run: (call: Call, input: never) => Promise<object> }
  | { kind: 'server-stream'; input: Message; output: Message; run: (call: Call, input: never) => AsyncIterable<object> }
  | {
      kind: 'client-stream'
      input: Message
      output: Message
      run: (call: Call, input: AsyncIterable<never>) => Promise<object>
    }

export function unary<I extends Message, O extends Message>(
  input: I,
  output: O,
  run: (call: Call, input: Read<I>) => Promise<Written<O>>,
): Procedure {
  return { kind: 'unary', input, output, run }
}

export function serverStream<I extends Message, O extends Message>(
  input: I,
  output: O,
  run: (call: Call, input: Read<I>) => AsyncIterable<Written<O>>,
): Procedure {
  return { kind: 'server-stream', input, output, run }
}

export function clientStream<I extends Message, O extends Message>(
  input: I,
  output: O,
  run: (call: Call, input: AsyncIterable<Read<I>>) => Promise<Written<O>>,
): Procedure {
  return { kind: 'client-stream', input, output, run }
}

/** Larger messages are refused, bytes. */
const maxMessageBytes = 16 * 1024 * 1024
const defaultKeepaliveSeconds = 90
const endOfStream = 0x02

type Codec = 'json' | 'proto'
type Caller = Omit<Call, 'signal' | 'timeoutMs' | 'keepaliveMs'>

/**
 * Answers a call in the protocol of Connect over HTTP/1.1. `admit` throws for a caller that may not call. `isGone` says whether the sandbox went away, which cuts the
 * connection: a client takes an orderly end for the end of its command.
 */
export async function serveProcedure(
  procedure: Procedure,
  caller: Caller,
  exchange: Pick<Served, 'request' | 'response' | 'admit' | 'isGone'>,
): Promise<void> {
  const { request, response } = exchange
  const streams = procedure.kind !== 'unary'
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  const codec = /^application\/(?:connect\+)?(json|proto)$/.exec(type)?.[1] as Codec | undefined
  if (!codec || type.startsWith('application/connect+') !== streams) {
    const wanted = streams
      ? 'application/connect+json or application/connect+proto'
      : 'application/json or application/proto'
    response.writeHead(415, { 'accept-post': wanted.replace(' or ', ', ') }).end()
    return
  }
  const limits = limitsOf(request)
  const late = new Deadline(limits.timeoutMs)
  const call: Call = { ...caller, ...limits, signal: AbortSignal.any([clientGone(response), late.signal]) }
  try {
    if (procedure.kind === 'unary') return await serveUnary(procedure, call, { ...exchange, codec, late })
    response.setHeader('content-type', type)
    await serveStream(procedure, call, { ...exchange, codec, late })
  } finally {
    late.clear()
  }
}

interface Served {
  request: IncomingMessage
  response: ServerResponse
  codec: Codec
  late: Deadline
  admit: () => Promise<void>
  isGone: () => Promise<boolean>
}

async function serveUnary(
  { input, output, run }: Procedure & { kind: 'unary' },
  call: Call,
  { request, response, codec, late, admit }: Served,
): Promise<void> {
  try {
    const body = decompressed(await wholeBody(request), request.headers['content-encoding'])
    await admit()
    const answer = await late.race(run(call, decode(codec, input, body) as never))
    const bytes = encode(codec, output, answer)
    response.writeHead(200, { 'content-type': `application/${codec}`, 'content-length': bytes.length })
    response.end(bytes)
  } catch (error) {
    if (response.headersSent || response.destroyed) return void response.destroy()
    const { code, message } = rpcErrorOf(error)
    const text = JSON.stringify({ code, message })
    response.writeHead(rpcStatus[code], {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  }
}

/** Errors of a stream stand in its last envelope, on status 200: clients make something else of another status. */
async function serveStream(
  procedure: Procedure & { kind: 'server-stream' | 'client-stream' },
  call: Call,
  { request, response, codec, late, admit, isGone }: Served,
): Promise<void> {
  const { input, output } = procedure
  let answers: AsyncIterator<object> | undefined
  try {
    const messages = readEnvelopes(request, (bytes) => decode(codec, input, bytes))
    if (procedure.kind === 'client-stream') {
      await admit()
      answers = once(procedure.run(call, messages as AsyncIterable<never>))
    } else {
      const message = await onlyOne(messages)
      await admit()
      answers = procedure.run(call, message as never)[Symbol.asyncIterator]()
    }
    for (;;) {
      const next = await answers.next()
      if (next.done) break
      if (!response.write(envelope(0, encode(codec, output, next.value)))) await drained(response)
    }
    response.end(envelope(endOfStream, Buffer.from('{}')))
  } catch (error) {
    if (response.destroyed) return
    const { code, message } = late.signal.aborted ? tooLate() : rpcErrorOf(error)
    if (code === 'unavailable' && (await isGone())) return void cutOff(response)
    response.end(envelope(endOfStream, Buffer.from(JSON.stringify({ error: { code, message } }))))
  } finally {
    void answers?.return?.()?.catch(() => {})
  }
}

/**
 * The one message of a body that is read to its end before anything is answered: clients there are that take the head of
 * an answer as leave to send nothing more, though they have not sent their message yet.
 */
async function onlyOne(messages: AsyncIterable<object>): Promise<object> {
  const all: object[] = []
  for await (const message of messages) {
    all.push(message)
    if (all.length > 1) break
  }
  if (all.length === 1) return all[0]!
  throw new RpcError('invalid_argument', 'the stream must have one message')
}

async function* once(answer: Promise<object>): AsyncGenerator<object> {
  yield await answer
}

function limitsOf({ headers }: IncomingMessage): { timeoutMs: number | undefined; keepaliveMs: number } {
  const timeout = /^\d{1,10}$/.exec(String(headers['connect-timeout-ms'] ?? ''))?.[0]
  const interval = Number(/^\d{1,6}$/.exec(String(headers['keepalive-ping-interval'] ?? ''))?.[0] ?? 0)
  return {
    timeoutMs: timeout === undefined || Number(timeout) === 0 ? undefined : Number(timeout),
    keepaliveMs: (interval || defaultKeepaliveSeconds) * 1000,
  }
}

/** Longer than a timer can be set for: as good as for ever. */
const longestTimerMs = 2 ** 31 - 1

class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined

  constructor(timeoutMs: number | undefined) {
    if (timeoutMs === undefined || timeoutMs > longestTimerMs) return
    this.#timer = setTimeout(() => this.#controller.abort(tooLate()), timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** `work`, unless the time is over before. */
  race<T>(work: Promise<T>): Promise<T> {
    const over = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(tooLate()), { once: true })
    })
    return Promise.race([work, over])
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}

function tooLate(): RpcError {
  return new RpcError('deadline_exceeded', 'the time that was allowed for this is over')
}

function decode(codec: Codec, message: Message, bytes: Buffer): object {
  try {
    return codec === 'json' ? fromJson(message, JSON.parse(bytes.toString() || '{}')) : fromBinary(message, bytes)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError)
      throw new RpcError('invalid_argument', `the message cannot be read: ${error.message}`)
    throw error
  }
}

function encode(codec: Codec, message: Message, value: object): Buffer {
  return codec === 'json' ? Buffer.from(JSON.stringify(toJson(message, value))) : toBinary(message, value)
}

function envelope(flags: number, bytes: Buffer): Buffer {
  const head = Buffer.allocUnsafe(5)
  head[0] = flags
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

async function wholeBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxMessageBytes) throw tooLarge()
  }
  return Buffer.concat(chunks)
}

function decompressed(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || encoding === '' || encoding === 'identity') return body
  if (encoding !== 'gzip')
    throw new RpcError('unimplemented', `the compression "${encoding.slice(0, 40)}" is not known`)
  try {
    return gunzipSync(body, { maxOutputLength: maxMessageBytes })
  } catch {
    throw new RpcError('invalid_argument', 'the body is no gzip, or too large')
  }
}

/** The messages in a body of envelopes, as they come. */
async function* readEnvelopes<T>(request: IncomingMessage, read: (bytes: Buffer) => T): AsyncGenerator<T, void> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 5) {
      const length = pending.readUInt32BE(1)
      if (length > maxMessageBytes) throw tooLarge()
      if (pending.length < 5 + length) break
      const flags = pending[0]!
      const bytes = pending.subarray(5, 5 + length)
      pending = pending.subarray(5 + length)
      if (flags & endOfStream) return
      if (flags !== 0) throw new RpcError('unimplemented', 'compressed messages are not taken')
      yield read(bytes)
    }
  }
  if (pending.length > 0) throw new RpcError('invalid_argument', 'the stream is cut off')
}

function tooLarge(): RpcError {
  return new RpcError('resource_exhausted', `a message may have ${maxMessageBytes} bytes at most`)
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.once('drain', done)
    response.once('close', done)
    if (response.destroyed) done()
  })
}
