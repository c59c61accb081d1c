import type { IncomingHttpHeaders } from 'node:http'
import { Refusal } from '../refusal.ts'
import { metadataPrefix } from './entries.ts'

const headerPrefix = 'x-metadata-'
/** What file systems take as the name of an attribute, without our prefix. */
const mostKeyBytes = 255 - metadataPrefix.length
const mostBytes = 4096

/** The metadata of a file as `X-Metadata-<Key>` headers give it. Throws 400 for what no file can carry. */
export function metadataOfHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const metadata: [string, string][] = []
  let bytes = 0
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(headerPrefix) || value === undefined) continue
    const key = name.slice(headerPrefix.length)
    const text = Array.isArray(value) ? value.join(', ') : value
    if (key === '' || key.length > mostKeyBytes)
      throw new Refusal(400, `a metadata key has 1 to ${mostKeyBytes} bytes, not ${key.length}`)
    if (!/^[\x20-\x7e]*$/.test(text) || !/^[\x21-\x7e]+$/.test(key))
      throw new Refusal(400, `metadata "${key.slice(0, 80)}" must be printable ASCII`)
    bytes += metadataPrefix.length + key.length + text.length
    metadata.push([key, text])
  }
  if (bytes > mostBytes) throw new Refusal(400, `the metadata of a file has ${mostBytes} bytes at most, not ${bytes}`)
  return Object.fromEntries(metadata)
}
