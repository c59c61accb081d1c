import type { IncomingMessage } from 'node:http'

/** How long who is refused may go on sending, milliseconds. */
const patienceMs = 2_000

/**
 * After a refusal the rest of a large body is not worth reading for long: the connection ends soon after the answer. Not with it:
 * a client that is cut off while it sends would hear of that, and not of the refusal.
 */
export function closeIfUnread({ raw }: { raw: IncomingMessage }): void {
  if (raw.complete || raw.destroyed) return
  raw.resume()
  const timer = setTimeout(() => raw.socket.destroy(), patienceMs)
  raw.once('close', () => clearTimeout(timer))
}
