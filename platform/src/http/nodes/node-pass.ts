import { createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { equalText } from '../../lib/equal-text.ts'
import { pairsOf } from '../forwarded-headers.ts'

/** What a node shows that it is one, and for whom it asks. Neither gets further than to the node that is asked. */
const passHeader = 'warren-node-pass'
const clientHeader = 'warren-node-client'
const ours = new Set([passHeader, clientHeader])

/** By which nodes with the same keys know each other. */
export class NodePass {
  readonly #pass: string

  constructor(tokenSeed: string) {
    this.#pass = createHmac('sha256', tokenSeed).update('nodes of one platform').digest('base64url')
  }

  /** Headers of a request that is passed on for `client`: what it claims about itself is taken off. */
  on(rawHeaders: readonly string[], client: string): string[] {
    return [...without(rawHeaders), passHeader, this.#pass, clientHeader, client]
  }

  /** For whom a node asks; undefined where it is none of ours. The request does not tell of nodes any more afterwards. */
  take(request: IncomingMessage): string | undefined {
    const { [passHeader]: pass, [clientHeader]: client } = request.headers
    request.rawHeaders = without(request.rawHeaders)
    for (const name of ours) delete request.headers[name]
    if (typeof pass !== 'string' || typeof client !== 'string' || isIP(client) === 0) return undefined
    return equalText(pass, this.#pass) ? client : undefined
  }
}

function without(rawHeaders: readonly string[]): string[] {
  return pairsOf(rawHeaders)
    .filter(([name]) => !ours.has(name.toLowerCase()))
    .flat()
}
