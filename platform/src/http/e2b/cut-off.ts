import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { cutOff, reset } from '../cut-off.ts'

/**
 * Breaks an answer off when its sandbox is paused or ends: an orderly end would be taken for the end of what was asked for, and
 * one that is frozen would never say anything again.
 */
export function cutOffWith(
  sandboxes: Pick<Sandboxes, 'onLeave'>,
  id: string,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): void {
  const forget = sandboxes.onLeave(id, () => {
    // The connection of HTTP/2 carries other answers too.
    if (request.httpVersionMajor > 1) cutOff(response)
    else reset(request.socket)
  })
  response.once('close', forget)
}

/** As `cutOffWith`, for a connection that speaks another protocol. */
export function cutOffUpgraded(sandboxes: Pick<Sandboxes, 'onLeave'>, id: string, socket: Duplex): void {
  socket.once(
    'close',
    sandboxes.onLeave(id, () => reset(socket as Socket)),
  )
}
