import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { closeIfUnread } from '../close-if-unread.ts'
import { credentialsOf } from '../credentials.ts'
import { sendProblem } from '../problem.ts'
import { refuseUpgrade } from '../refuse-upgrade.ts'
import { isTrusted, plain } from './client-address.ts'

/** What is done with requests that came without TLS: answer them, lead browsers to https, refuse them. */
export type PlainHttpRule = 'allow' | 'redirect' | 'refuse'

type Arrived = Pick<IncomingMessage, 'headers' | 'socket'>

/** A name or address that may stand in a Location. */
const hostForm = /^[\w.-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i

/** Keeps out what came over the network without TLS. What is on this machine may go on without, and so may the question whether we are up. */
export class PlainHttp {
  readonly #rule: PlainHttpRule
  readonly #trusted: BlockList

  constructor(rule: PlainHttpRule, trusted: BlockList) {
    this.#rule = rule
    this.#trusted = trusted
  }

  /** False when it was answered here. */
  lets(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#rule === 'allow' || request.url === '/health' || arrivedSafely(request, this.#trusted)) return true
    const { method, headers, url = '/' } = request
    const requestId = newId('r')
    // Who shows a key is told that it was seen: a redirect would hide that, again and again.
    const isLed = this.#rule === 'redirect' && (method === 'GET' || method === 'HEAD') && !showsRight(headers)
    if (isLed && url.startsWith('/') && hostForm.test(headers.host ?? '')) {
      response.writeHead(308, {
        location: `https://${headers.host}${url}`,
        'content-length': 0,
        'x-request-id': requestId,
      })
      response.end()
    } else {
      closeIfUnread({ raw: request }, response)
      sendProblem(response, refused(), requestId)
    }
    return false
  }

  letsUpgrade(request: IncomingMessage, socket: Duplex): boolean {
    if (this.#rule === 'allow' || arrivedSafely(request, this.#trusted)) return true
    socket.on('error', () => socket.destroy())
    refuseUpgrade(socket, refused(), newId('r'))
    return false
  }
}

/**
 * Whether nobody on the way could read along: inside TLS, from this machine, or from a trusted proxy that says `https` in
 * `X-Forwarded-Proto`, of several each. A proxy on this machine is one too, and is told by what it adds.
 */
export function arrivedSafely({ headers, socket }: Arrived, trusted: BlockList): boolean {
  if ((socket as { encrypted?: boolean }).encrypted) return true
  const address = plain(socket.remoteAddress ?? '')
  const proto = headers['x-forwarded-proto']
  const isPassedOn = [proto, headers['x-forwarded-for'], headers.forwarded].some((said) => said !== undefined)
  if (!isPassedOn) return address === '::1' || address.startsWith('127.')
  if (proto === undefined || !isTrusted(address, trusted)) return false
  return String(proto)
    .split(',')
    .every((one) => one.trim().toLowerCase() === 'https')
}

function showsRight(headers: IncomingMessage['headers']): boolean {
  const tokens = ['x-access-token', 'e2b-traffic-access-token', 'authorization', 'cookie']
  return credentialsOf(headers).key !== undefined || tokens.some((name) => headers[name] !== undefined)
}

function refused(): WarrenError {
  return new WarrenError('forbidden', 'this platform is reached by https alone', {
    hint: 'Use https://. A key or token that was sent without is to be taken as seen: revoke it. Behind a proxy: WARREN_TRUSTED_PROXIES and X-Forwarded-Proto.',
  })
}
