import { isPassedOn } from '../gateway/client-address.ts'
import type { Codec } from './codec.ts'
import { ConnectStream, ConnectUnary } from './connect.ts'
import { Grpc } from './grpc.ts'
import type { Exchange, Wire } from './wire.ts'

/** The protocol that a request says it speaks, where that fits the procedure; else undefined. */
export function chooseWire(
  exchange: Exchange,
  { streams, grpc }: { streams: boolean; grpc: boolean },
): Wire | undefined {
  const { request } = exchange
  const { headers } = request
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  const [, protocol, named] = /^application\/(connect\+|grpc\+|grpc$|)(json|proto|)$/.exec(type) ?? []
  if (protocol === undefined || (named === '' && protocol !== 'grpc')) return undefined
  const codec = (named || 'proto') as Codec
  // Clients look for its trailers in HTTP/2 alone; our nodes pass them on in HTTP/1.1 as well.
  const hasTrailers = request.httpVersionMajor >= 2 || isPassedOn(request)
  if (protocol.startsWith('grpc')) return grpc && hasTrailers ? new Grpc(exchange, codec, type) : undefined
  if ((protocol !== '') !== streams) return undefined
  return streams ? new ConnectStream(exchange, codec, type) : new ConnectUnary(exchange, codec)
}
