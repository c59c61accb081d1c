import type { IncomingHttpHeaders } from 'node:http'

/** The head of a request that can be read in one way only. */
export interface PlainHead {
  method: string
  url: string
  /** By their names in lower case, each of which was there once. */
  headers: IncomingHttpHeaders
  bodyBytes: number
}

const requestLine = /^(POST) (\/[\w\-./]*) HTTP\/1\.1$/
/** A name, and a value without control characters. A line that goes on with the one before has no name. */
const headerLine = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/
/** With any of these there is more to a connection or a body than bytes that are counted. */
const unusual = ['transfer-encoding', 'expect', 'upgrade', 'te', 'trailer', 'http2-settings'] as const

/**
 * Reads what stands before the empty line of a request: a POST in HTTP/1.1 with a host and a counted body, every header once and
 * on one line of its own, on a connection that stays. Undefined for everything else, also for what is not quite HTTP: that is for a parser
 * that knows what to make of it. So what is read here nobody reads in another way.
 */
export function readPlainHead(text: string): PlainHead | undefined {
  const lines = text.split('\r\n')
  const [, method, url] = requestLine.exec(lines[0]!) ?? []
  if (method === undefined || url === undefined) return undefined
  const headers: IncomingHttpHeaders = Object.create(null)
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at]!
    if (!headerLine.test(line)) return undefined
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (headers[name] !== undefined) return undefined
    headers[name] = line.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, '')
  }
  for (const name of unusual) if (headers[name] !== undefined) return undefined
  const { host, connection = 'keep-alive', 'content-length': length } = headers
  if (!host || connection.toLowerCase() !== 'keep-alive' || !/^\d{1,9}$/.test(length ?? '')) return undefined
  return { method, url, headers, bodyBytes: Number(length) }
}
