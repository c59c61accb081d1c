import type { IncomingMessage } from 'node:http'
import { edgeTarget } from '../e2b/edge-target.ts'

/** The id of the sandbox that a request is for, by its host name, headers or path; undefined where it names none. */
export function sandboxNamed(request: IncomingMessage, domain: string | undefined): string | undefined {
  const found = edgeTarget(request, domain)
  if (found?.kind === 'port') return idOrNone(found.target.id)
  if (found?.kind === 'envd' || found?.kind === 'interpreter') return idOrNone(found.id ?? '')
  if (found) return undefined
  return /^(?:\/v\d)?\/sandboxes\/([a-z0-9]{1,64})(?:[/?]|$)/.exec(request.url ?? '')?.[1]
}

export function isSandboxId(text: string): boolean {
  return /^[a-z0-9]{1,64}$/.test(text)
}

function idOrNone(id: string): string | undefined {
  return isSandboxId(id) ? id : undefined
}
