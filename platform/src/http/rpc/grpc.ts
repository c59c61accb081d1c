import { toBinary } from './binary.ts'
import type { Codec } from './codec.ts'
import { drained } from './drained.ts'
import { envelope, readEnvelopes } from './envelopes.ts'
import { message, plain, repeated } from './message.ts'
import type { RpcCode, RpcDetail, RpcError } from './rpc-error.ts'
import type { Exchange, Wire } from './wire.ts'

/** The numbers of gRPC. */
const numbers: Record<RpcCode, number> = {
  canceled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
}

/** `google.protobuf.Any` and `google.rpc.Status`. */
const Any = message({ typeUrl: plain(1, 'string'), value: plain(2, 'bytes') })
const Status = message({ code: plain(1, 'int32'), message: plain(2, 'string'), details: repeated(3, Any) })

/** A call in the protocol of gRPC over HTTP/2: envelopes in both directions, and how it ended in the trailers. */
export class Grpc implements Wire {
  readonly codec: Codec
  readonly #exchange: Exchange
  readonly #type: string

  constructor(exchange: Exchange, codec: Codec, type: string) {
    this.#exchange = exchange
    this.codec = codec
    this.#type = type
  }

  get timeoutMs(): number | undefined {
    const { headers } = this.#exchange.request
    const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(headers['grpc-timeout'] ?? '')) ?? []
    return digits === undefined ? undefined : Math.ceil(Number(digits) * unitMs[unit as keyof typeof unitMs])
  }

  messages(): AsyncGenerator<Buffer> {
    return readEnvelopes(this.#exchange.request)
  }

  async send(bytes: Buffer): Promise<void> {
    const { response } = this.#exchange
    this.#begin()
    if (!response.write(envelope(0, bytes))) await drained(response)
  }

  end(): void {
    this.#close({ 'grpc-status': '0' })
  }

  fail({ code, message, detail }: RpcError): void {
    this.#close({
      'grpc-status': String(numbers[code]),
      'grpc-message': percentEncoded(message),
      ...(detail ? { 'grpc-status-details-bin': statusOf(numbers[code], message, detail) } : {}),
    })
  }

  #begin(): void {
    const { response } = this.#exchange
    if (!response.headersSent)
      response.writeHead(200, { 'content-type': this.#type, 'grpc-accept-encoding': 'identity' })
  }

  #close(trailers: Record<string, string>): void {
    const { response } = this.#exchange
    if (response.destroyed) return
    this.#begin()
    response.addTrailers(trailers)
    response.end()
  }
}

const unitMs = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 }

function statusOf(code: number, message: string, { type, bytes }: RpcDetail): string {
  const details = [{ typeUrl: `type.googleapis.com/${type}`, value: bytes }]
  return toBinary(Status, { code, message, details }).toString('base64').replace(/=+$/, '')
}

/** Everything but what ASCII prints, and `%` itself, as the protocol has it. */
function percentEncoded(text: string): string {
  const bytes = Buffer.from(text)
  return Array.from(bytes, (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x25
      ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      : String.fromCharCode(byte),
  ).join('')
}
