import type { IncomingMessage, ServerResponse } from 'node:http'

/** After a refusal the rest of a large body is not worth reading for long: the connection ends soon after the answer. */
export function closeIfUnread({ raw }: { raw: IncomingMessage }, response: ServerResponse): void {
  if (raw.complete || raw.destroyed) return
  if (!response.headersSent && raw.httpVersionMajor < 2) response.setHeader('connection', 'close')
  raw.resume()
  const timer = setTimeout(() => raw.socket.destroy(), 2_000)
  raw.once('close', () => clearTimeout(timer))
}
