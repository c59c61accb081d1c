import { hostPattern } from '../engine/network/rules.ts'
import { WarrenError } from '../errors.ts'

const mostMetadataBytes = 8192

/** The hosts in lower case, each once. Throws `invalid_request` for what is no name of a host. */
export function checkHosts(hosts: readonly string[]): string[] {
  const checked = hosts.map((text) => {
    const host = hostPattern(text)
    if (host) return host
    throw new WarrenError('invalid_request', `hosts: "${text}" is neither a name nor *. and a name`, {
      hint: 'Write api.example.com or *.example.com, without a port.',
    })
  })
  return [...new Set(checked)]
}

export function checkMetadata(metadata: Record<string, string>): void {
  const bytes = Object.entries(metadata).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0)
  if (bytes > mostMetadataBytes)
    throw new WarrenError('invalid_request', `metadata takes up to ${mostMetadataBytes} bytes, not ${bytes}`)
}
