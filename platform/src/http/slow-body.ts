import type { IncomingMessage } from 'node:http'
import { WarrenError } from '../errors.ts'

/** A client gets this long for the head of a request, and again for a body that is read whole: slow ones hold nothing up. */
export const patienceMs = 20_000

const limited = new WeakSet<IncomingMessage>()

/**
 * Gives up a body that has not come whole in time: whoever reads it is told by an `error` of the request, and the connection stays for the
 * answer. What is taken as a stream may take its time and is not limited so.
 */
export function limitSlowBody(request: IncomingMessage): void {
  if (limited.has(request)) return
  limited.add(request)
  const timer = setTimeout(() => {
    const late = slowBody()
    if (request.listenerCount('error') > 0) request.emit('error', late)
    else request.destroy(late)
  }, patienceMs)
  for (const over of ['end', 'close']) request.once(over, () => clearTimeout(timer))
}

export function slowBody(): WarrenError {
  return new WarrenError('invalid_request', `the body did not arrive within ${patienceMs / 1000} s`)
}
