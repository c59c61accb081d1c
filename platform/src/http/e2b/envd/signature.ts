import { createHash } from 'node:crypto'
import { equalText } from '../../../lib/equal-text.ts'
import type { SandboxTokens } from '../tokens.ts'

/** What a signed address says, exactly as it stands in its query. */
export interface SignedRequest {
  operation: 'read' | 'write'
  path: string
  username: string
  signature: string | null
  expiration: string | null
}

export function signedRequest(method: string | undefined, query: URLSearchParams): SignedRequest {
  return {
    operation: method === 'POST' ? 'write' : 'read',
    path: query.get('path') ?? '',
    username: query.get('username') ?? '',
    signature: query.get('signature'),
    expiration: query.get('signature_expiration'),
  }
}

/** Why a signature gives no right, in the words of the contract; undefined when it gives it. */
export function signatureFault(request: SignedRequest, token: string, now: Date): string | undefined {
  if (!request.signature) return 'missing signature query parameter'
  if (!equalText(signatureOf(request, token), request.signature)) return 'invalid signature'
  const { expiration } = request
  if (expiration !== null && !(Number(expiration) >= Math.floor(now.getTime() / 1000)))
    return 'signature is already expired'
  return undefined
}

/** The sandbox whose token made the signature: an address without a sandbox in it must be for one of them. */
export function sandboxOfSignature(
  request: SignedRequest,
  ids: Iterable<string>,
  tokens: SandboxTokens,
): string | undefined {
  const { signature } = request
  if (!signature) return undefined
  for (const id of ids) if (equalText(signatureOf(request, tokens.access(id)), signature)) return id
  return undefined
}

/** Exported for its test, which holds the example that the clients agree on. */
export function signatureOf({ operation, path, username, expiration }: SignedRequest, token: string): string {
  const parts = [path, operation, username, token, ...(expiration === null ? [] : [expiration])]
  return `v1_${createHash('sha256').update(parts.join(':')).digest('base64').replace(/=+$/, '')}`
}
