import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { labelBelow, type PreviewTarget, previewTarget } from '../previews.ts'
import { Refusal } from './refusal.ts'

/** The port at which a sandbox is told what to do. It is answered here: inside, nothing listens there. */
export const envdPort = 49_983
/** The port at which it is told to run code in contexts. It is answered here, too. */
const interpreterPort = 49_999

/** What a request is for, when it is for a sandbox: one of its ports, or its inside. */
export type EdgeTarget =
  | { kind: 'port'; target: PreviewTarget }
  | { kind: 'envd'; id: string | undefined }
  | { kind: 'interpreter'; id: string }
  | { kind: 'refused'; refusal: Refusal }

type Addressed = Pick<IncomingMessage, 'headers' | 'url'>

/**
 * Where a request goes, in this order: by the two routing headers where the host name names no sandbox; by host name or
 * path; by the signature of its address. Undefined for what is meant for the platform itself.
 */
export function edgeTarget(request: Addressed, domain?: string): EdgeTarget | undefined {
  return byHeaders(request) ?? byName(request, domain) ?? bySignature(request)
}

function byHeaders({ headers, url = '/' }: Addressed): EdgeTarget | undefined {
  const id = headers['e2b-sandbox-id']
  const port = headers['e2b-sandbox-port']
  // A host name that names a sandbox says it all: headers must not lead elsewhere.
  if ((id === undefined && port === undefined) || !isShared(headers.host ?? '')) return undefined
  if (id === undefined || port === undefined) {
    const missing = id === undefined ? 'E2b-Sandbox-Id' : 'E2b-Sandbox-Port'
    return { kind: 'refused', refusal: new Refusal(400, `missing header ${missing}`) }
  }
  const number = /^[1-9]\d{0,4}$/.test(String(port)) ? Number(port) : Number.NaN
  if (!(number <= 65_535)) return { kind: 'refused', refusal: new Refusal(400, 'invalid sandbox port') }
  if (!/^[a-z0-9]{1,64}$/.test(String(id))) return { kind: 'refused', refusal: new Refusal(400, 'invalid sandbox id') }
  return byPort({ needsKey: false, id: String(id), port: number, path: url })
}

function byName(request: Addressed, domain: string | undefined): EdgeTarget | undefined {
  const target = previewTarget(request, domain)
  const isBelow = domain !== undefined && labelBelow(request.headers.host ?? '', domain) !== undefined
  if (target && isBelow && !target.needsKey && !(target.port > 0))
    return { kind: 'refused', refusal: new Refusal(400, 'the host name names no port from 1 to 65535 of a sandbox') }
  return target && byPort(target)
}

/** A signed address carries no sandbox: its signature was made with the token of one. */
function bySignature({ url = '/' }: Addressed): EdgeTarget | undefined {
  return /^\/files(?:\?|$)/.test(url) ? { kind: 'envd', id: undefined } : undefined
}

function byPort(target: PreviewTarget): EdgeTarget {
  if (target.needsKey) return { kind: 'port', target }
  if (target.port === envdPort) return { kind: 'envd', id: target.id }
  return target.port === interpreterPort ? { kind: 'interpreter', id: target.id } : { kind: 'port', target }
}

/** Whether a host stands for the platform as a whole: `localhost`, an address, `sandbox.<domain>`. */
function isShared(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return (
    name === 'localhost' || isIP(name) !== 0 || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name.startsWith('sandbox.')
  )
}
