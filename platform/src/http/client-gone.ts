import type { ServerResponse } from 'node:http'

/** A signal that aborts when the connection ends before the answer was complete: nobody is left to work for. */
export function clientGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  const onClose = () => {
    if (!response.writableFinished) controller.abort(new Error('the client went away'))
  }
  if (response.closed || response.destroyed) onClose()
  else response.once('close', onClose)
  return controller.signal
}
