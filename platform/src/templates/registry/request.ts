import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { judgeAddress, judgedLookup } from '../../engine/network/judge-address.ts'
import { WarrenError } from '../../errors.ts'
import { isInsecure, type RegistryReach } from './reach.ts'

export interface RegistryRequest {
  url: URL
  headers?: Record<string, string>
  method?: 'GET' | 'POST'
  signal?: AbortSignal
  body?: string
  /** True once somebody on the public internet says where to go: then no opened range is gone to. */
  fromOutside?: boolean
}

export interface RegistryAnswer {
  answer: IncomingMessage
  /** Whether somebody on the public internet gave it. */
  fromOutside: boolean
}

const mostRedirects = 5
/** Without a byte for so long, a connection counts as lost. */
const silenceMs = 30_000

/**
 * Asks a registry and follows its redirects. Each address is judged when the connection is made, so that a name cannot
 * stand for another one a moment later; nobody is asked over plain HTTP who need not be; what proves who we are does not
 * go on to another host. Throws `forbidden` for an address that is closed and `unavailable` for a connection that fails.
 * The caller reads the body of the answer to its end or destroys it.
 */
export async function request(reach: RegistryReach, asked: RegistryRequest): Promise<RegistryAnswer> {
  let { url, headers = {}, fromOutside = false } = asked
  for (let redirects = 0; ; redirects++) {
    const { answer, isPublic } = await requestOnce(reach, { ...asked, url, headers, fromOutside })
    const target = answer.headers.location
    if (![301, 302, 303, 307, 308].includes(answer.statusCode!) || target === undefined)
      return { answer, fromOutside: fromOutside || isPublic }
    answer.destroy()
    if (redirects === mostRedirects)
      throw new WarrenError('unavailable', `${asked.url.host} redirects more than ${mostRedirects} times`)
    if (!URL.canParse(target, url.href))
      throw new WarrenError('unavailable', `${url.host} redirects to what is no address`)
    const next = new URL(target, url)
    if (next.origin !== url.origin) headers = withoutProof(headers)
    fromOutside ||= isPublic
    url = next
  }
}

function withoutProof(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'))
}

async function requestOnce(
  reach: RegistryReach,
  { url, headers, method = 'GET', body, signal, fromOutside = false }: RegistryRequest,
): Promise<{ answer: IncomingMessage; isPublic: boolean }> {
  signal?.throwIfAborted()
  mayAsk(reach, url)
  const open = fromOutside ? [] : reach.open
  let isPublic = false
  const judge = (address: string) => {
    const verdict = judgeAddress(address, open)
    if (verdict.reach === 'closed') throw closed(url, address, verdict.reason)
    isPublic = verdict.reach === 'public'
  }
  const lookup = judgedLookup(url, judge)
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const sent = send(url, {
      method,
      signal,
      lookup,
      agent: false,
      headers: { 'user-agent': 'warren', ...headers },
    })
    sent.setTimeout(silenceMs, () => sent.destroy(new Error(`it was silent for ${silenceMs / 1000} seconds`)))
    sent.on('error', (error) => {
      if (signal?.aborted) reject(signal.reason)
      else if (error instanceof WarrenError) reject(error)
      else reject(unreachable(url, error))
    })
    sent.on('response', (answer) => resolve({ answer, isPublic }))
    sent.end(body)
  })
}

function mayAsk({ insecure }: RegistryReach, url: URL): void {
  if (url.protocol === 'https:') return
  if (url.protocol === 'http:' && isInsecure(url.host, insecure)) return
  throw new WarrenError('forbidden', `${url.origin} may not be asked over plain HTTP`, {
    hint: 'The operator can name the registry in WARREN_REGISTRY_INSECURE.',
  })
}

function closed(url: URL, address: string, reason: string): WarrenError {
  return new WarrenError(
    'forbidden',
    `${url.hostname} is at ${address}, which ${reason}; images come from the internet only`,
    {
      hint: 'The operator can open ranges of this network with WARREN_REGISTRY_OPEN.',
    },
  )
}

function unreachable(url: URL, cause: NodeJS.ErrnoException): WarrenError {
  return new WarrenError('unavailable', `${url.host} cannot be reached: ${cause.code ?? cause.message}`, { cause })
}

/** Reads a body of bounded length. */
export async function readBody(answer: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of answer) {
      size += chunk.length
      if (size > most) throw new WarrenError('too_large', `an answer of the registry is larger than ${most} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof WarrenError ? error : brokenConnection(error)
  }
  return Buffer.concat(chunks)
}

export function brokenConnection(cause: unknown): WarrenError {
  const { code, message } = cause as NodeJS.ErrnoException
  return new WarrenError('unavailable', `the connection to the registry broke: ${code ?? message}`, { cause })
}
