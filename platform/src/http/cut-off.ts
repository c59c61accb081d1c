import type { ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Breaks an answer off so that the client sees it was cut, and does not take what it has for the whole. */
export function cutOff(response: ServerResponse): void {
  const { stream } = response as unknown as { stream?: ServerHttp2Stream }
  // The connection is shared with other requests there.
  if (stream) return void stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  const { socket } = response
  if (!socket) return void response.destroy()
  reset(socket)
}

/** Ends a connection at once, and so that its other side sees that it was not in order where that can be said. */
export function reset(socket: Socket): void {
  if (socket instanceof TLSSocket || typeof socket.resetAndDestroy !== 'function') socket.destroy()
  else socket.resetAndDestroy()
}
