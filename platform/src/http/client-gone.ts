import type { ServerResponse } from 'node:http'

/** What figures and logs have as the status of an answer that nobody waited for. */
export const goneStatus = 499

const controllers = new WeakMap<ServerResponse, AbortController>()

/** A signal that aborts when the connection ends before the answer was complete: nobody is left to work for. */
export function clientGone(response: ServerResponse): AbortSignal {
  const known = controllers.get(response)
  if (known) return known.signal
  const controller = new AbortController()
  controllers.set(response, controller)
  const onClose = () => {
    if (!response.writableFinished) controller.abort(new Error('the client went away'))
  }
  if (response.closed || response.destroyed) onClose()
  else response.once('close', onClose)
  return controller.signal
}

/** Ends the work for who waits for `response` as if they had gone: they may not have it any more, and were told. */
export function sendAway(response: ServerResponse, reason: unknown): void {
  controllers.get(response)?.abort(reason)
}
