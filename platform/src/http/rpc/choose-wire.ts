import type { Codec } from './codec.ts'
import { ConnectStream, ConnectUnary } from './connect.ts'
import { Grpc } from './grpc.ts'
import type { Exchange, Wire } from './wire.ts'

/** The protocol that a request says it speaks, where that fits the procedure; else undefined. */
export function chooseWire(
  exchange: Exchange,
  { streams, grpc }: { streams: boolean; grpc: boolean },
): Wire | undefined {
  const { headers, httpVersionMajor } = exchange.request
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  const [, protocol, named] = /^application\/(connect\+|grpc\+|grpc$|)(json|proto|)$/.exec(type) ?? []
  if (protocol === undefined || (named === '' && protocol !== 'grpc')) return undefined
  const codec = (named || 'proto') as Codec
  // Its trailers need HTTP/2.
  if (protocol.startsWith('grpc')) return !grpc || httpVersionMajor < 2 ? undefined : new Grpc(exchange, codec, type)
  if ((protocol !== '') !== streams) return undefined
  return streams ? new ConnectStream(exchange, codec, type) : new ConnectUnary(exchange, codec)
}
