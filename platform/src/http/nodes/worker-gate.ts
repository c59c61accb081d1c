import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { passOnFor } from '../gateway/client-address.ts'
import { sendProblem } from '../problem.ts'
import { refuseUpgrade } from '../refuse-upgrade.ts'
import type { NodePass } from './node-pass.ts'

/** What a worker answers whoever asks: whether it is up, and its figures. */
const own = /^\/(health|metrics)(\?|$)/

/** Lets into a worker what the platform passes on, and nothing else: it has no door of its own. */
export class WorkerGate {
  readonly #pass: NodePass

  constructor(pass: NodePass) {
    this.#pass = pass
  }

  /** False when it was refused. */
  lets(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#knows(request)) return true
    request.resume()
    sendProblem(response, notHere(), newId('r'))
    return false
  }

  letsUpgrade(request: IncomingMessage, socket: Duplex): boolean {
    if (this.#knows(request)) return true
    socket.on('error', () => socket.destroy())
    refuseUpgrade(socket, notHere(), newId('r'))
    return false
  }

  #knows(request: IncomingMessage): boolean {
    const client = this.#pass.take(request)
    if (client !== undefined) passOnFor(request, client)
    return client !== undefined || own.test(request.url ?? '')
  }
}

function notHere(): WarrenError {
  return new WarrenError('forbidden', 'this is a worker, which answers its platform alone', {
    hint: 'Ask the platform: WARREN_NODE=worker is set here.',
  })
}
