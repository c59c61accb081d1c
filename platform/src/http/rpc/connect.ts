import { gunzipSync } from 'node:zlib'
import type { Codec } from './codec.ts'
import { drained } from './drained.ts'
import { endOfStream, envelope, maxMessageBytes, readEnvelopes, tooLarge } from './envelopes.ts'
import { RpcError, rpcStatus } from './rpc-error.ts'
import type { Asked, Exchange, Wire } from './wire.ts'

/** A call of one message and one answer in the protocol of Connect: both are bodies as they are. */
export class ConnectUnary implements Wire {
  readonly codec: Codec
  readonly #exchange: Exchange
  #answer: Buffer | undefined

  constructor(exchange: Exchange, codec: Codec) {
    this.#exchange = exchange
    this.codec = codec
  }

  get timeoutMs(): number | undefined {
    return connectTimeout(this.#exchange.request)
  }

  async *messages(): AsyncGenerator<Buffer> {
    const { request } = this.#exchange
    yield decompressed(await wholeBody(request), request.headers['content-encoding'])
  }

  async send(message: Buffer): Promise<void> {
    this.#answer = message
  }

  end(): void {
    const bytes = this.#answer!
    const { response } = this.#exchange
    response.writeHead(200, { 'content-type': `application/${this.codec}`, 'content-length': bytes.length })
    response.end(bytes)
  }

  fail(error: RpcError): void {
    const { response } = this.#exchange
    if (response.headersSent || response.destroyed) return void response.destroy()
    const text = JSON.stringify(bodyOf(error))
    response.writeHead(rpcStatus[error.code], {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  }
}

/** A stream in the protocol of Connect. Its errors stand in the last envelope, on status 200: clients make something else of another status. */
export class ConnectStream implements Wire {
  readonly codec: Codec
  readonly #exchange: Exchange

  constructor(exchange: Exchange, codec: Codec, type: string) {
    this.#exchange = exchange
    this.codec = codec
    exchange.response.setHeader('content-type', type)
  }

  get timeoutMs(): number | undefined {
    return connectTimeout(this.#exchange.request)
  }

  messages(): AsyncGenerator<Buffer> {
    return readEnvelopes(this.#exchange.request)
  }

  async send(message: Buffer): Promise<void> {
    const { response } = this.#exchange
    if (!response.write(envelope(0, message))) await drained(response)
  }

  end(): void {
    this.#exchange.response.end(envelope(endOfStream, Buffer.from('{}')))
  }

  fail(error: RpcError): void {
    this.#exchange.response.end(envelope(endOfStream, Buffer.from(JSON.stringify({ error: bodyOf(error) }))))
  }
}

function bodyOf({ code, message, detail }: RpcError): object {
  if (!detail) return { code, message }
  const { type, bytes, json } = detail
  return { code, message, details: [{ type, value: bytes.toString('base64').replace(/=+$/, ''), debug: json }] }
}

function connectTimeout({ headers }: Asked): number | undefined {
  return Number(/^\d{1,10}$/.exec(String(headers['connect-timeout-ms'] ?? ''))?.[0] ?? 0) || undefined
}

async function wholeBody(request: Asked): Promise<Buffer> {
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
