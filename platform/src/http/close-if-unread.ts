import type { IncomingMessage, ServerResponse } from 'node:http'

/** How long who is refused may go on sending, milliseconds. */
const patienceMs = 2_000
/** The rest of so short a body is read, and the connection is good for the next request. */
const shortBytes = 1024 * 1024

/**
 * After a refusal the rest of a large body is not worth reading for long: the connection ends soon after the answer. Not with it:
 * a client that is cut off while it sends would hear of that, and not of the refusal.
 */
export function closeIfUnread({ raw }: { raw: IncomingMessage }, response: ServerResponse): void {
  if (raw.complete || raw.destroyed) return
  const { socket } = raw
  const isHttp1 = raw.httpVersionMajor < 2
  const isShort = Number(raw.headers['content-length'] ?? Number.POSITIVE_INFINITY) <= shortBytes
  if (isHttp1 && !isShort && !response.headersSent) {
    response.setHeader('connection', 'close')
    // With what node does here after the last answer of a connection, what comes in yet is answered by a reset.
    socket.destroySoon = () => socket.end()
  }
  raw.resume()
  const end = () => {
    if (!raw.complete) (isHttp1 ? socket : raw).destroy()
  }
  const timer = setTimeout(end, patienceMs)
  raw.once('close', () => clearTimeout(timer))
}
