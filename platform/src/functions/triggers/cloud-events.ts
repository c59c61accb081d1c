import type { IncomingHttpHeaders } from 'node:http'
import { WarrenError } from '../../errors.ts'

/** A CloudEvent 1.0 as JSON has it. */
interface CloudEvent {
  specversion: '1.0'
  id: string
  source: string
  type: string
  [attribute: string]: unknown
}

const binaryHeader = /^ce-([a-z0-9]{1,20})$/

/**
 * Reads the events of a request by its headers: binary (`ce-…`), structured or a batch. What is no CloudEvent is one event,
 * its body as it is. Throws `invalid_request` for one that breaks the specification.
 */
export function readCloudEvents(headers: IncomingHttpHeaders, body: Buffer): { events: Buffer[]; isBatch: boolean } {
  const [type = ''] = (headers['content-type'] ?? '').toLowerCase().split(';')
  const media = type.trim()
  if (media === 'application/cloudevents-batch+json') {
    const events = parse(body)
    if (!Array.isArray(events) || events.length === 0)
      throw new WarrenError('invalid_request', 'a batch of CloudEvents is a JSON array with at least one')
    return { events: events.map((event) => Buffer.from(JSON.stringify(check(event)))), isBatch: true }
  }
  if (media === 'application/cloudevents+json') {
    check(parse(body))
    return { events: [body], isBatch: false }
  }
  if (headers['ce-specversion'] === undefined) return { events: [body], isBatch: false }
  return { events: [Buffer.from(JSON.stringify(fromBinary(headers, media, body)))], isBatch: false }
}

function fromBinary(headers: IncomingHttpHeaders, media: string, body: Buffer): CloudEvent {
  const attributes: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(headers)) {
    const attribute = binaryHeader.exec(name)?.[1]
    if (attribute !== undefined && typeof value === 'string') attributes[attribute] = decode(value)
  }
  if (headers['content-type']) attributes.datacontenttype = headers['content-type']
  if (body.length > 0) {
    if (isJson(media)) attributes.data = parse(body)
    else if (/^text\//.test(media)) attributes.data = body.toString('utf8')
    else attributes.data_base64 = body.toString('base64')
  }
  return check(attributes)
}

function check(event: unknown): CloudEvent {
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    throw new WarrenError('invalid_request', 'a CloudEvent is a JSON object')
  const given = event as Record<string, unknown>
  if (given.specversion !== '1.0')
    throw new WarrenError(
      'invalid_request',
      `the specversion of a CloudEvent is "1.0" here, not ${JSON.stringify(given.specversion)}`,
    )
  for (const name of ['id', 'source', 'type'])
    if (typeof given[name] !== 'string' || given[name] === '')
      throw new WarrenError('invalid_request', `a CloudEvent has the attribute "${name}", a text that is not empty`)
  for (const name of Object.keys(given))
    if (!/^[a-z0-9]+$/.test(name) && name !== 'data_base64')
      throw new WarrenError(
        'invalid_request',
        `"${name.slice(0, 50)}" is no name of an attribute of a CloudEvent: small letters and digits`,
      )
  if (typeof given.time === 'string' && Number.isNaN(Date.parse(given.time)))
    throw new WarrenError(
      'invalid_request',
      `the time of a CloudEvent is as in RFC 3339, not "${given.time.slice(0, 50)}"`,
    )
  return given as CloudEvent
}

function isJson(media: string): boolean {
  return /^[\w.+-]+\/(json|[\w.+-]+\+json)$/.test(media)
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new WarrenError('invalid_request', `the body is not JSON: ${(cause as Error).message}`)
  }
}
