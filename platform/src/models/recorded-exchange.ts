import { parsedJson } from '../lib/parsed-json.ts'
import { type Api, apis } from './message.ts'
import { isObject, type JsonObject, object, string } from './wire/json.ts'

/** A line of a file of exchanges, brought into one form. */
export interface RecordedExchange {
  api: Api
  /** Undefined where none was recorded. */
  request: JsonObject | undefined
  /** From the address, where the API has it there. */
  model: string | undefined
  status: number
  headers: Headers
  body: Uint8Array
}

/** Reads one line. Answers with a sentence where it is no exchange. */
export function readExchange(line: string): RecordedExchange | string {
  let recorded: unknown
  try {
    recorded = JSON.parse(line)
  } catch (error) {
    return `the line is no JSON: ${(error as Error).message}`
  }
  if (!isObject(recorded)) return 'the line is no JSON object'
  const api = apis.find((known) => known === recorded.api)
  if (!api) return `api must be one of ${apis.join(', ')}, not ${JSON.stringify(recorded.api)}`
  const status = Number(recorded.status)
  if (recorded.status === undefined || !Number.isInteger(status) || status < 0 || status > 599)
    return `status must be an HTTP status, not ${JSON.stringify(recorded.status)}`
  const headers = readHeaders(recorded.headers)
  if (!headers) return 'headers must be an object of names and values'
  const sent = parsed(recorded.request)
  const enclosed = isObject(sent) && 'body' in sent && ('url' in sent || 'method' in sent || 'headers' in sent)
  const request = enclosed ? parsed(sent.body) : sent
  const url = string(recorded.url) ?? (enclosed ? string(object(sent).url) : undefined)
  return {
    api,
    request: isObject(request) ? request : undefined,
    model: /\/models\/([^/:?]+)/.exec(url ?? '')?.[1],
    status,
    headers,
    body: bytesOf(recorded),
  }
}

function parsed(value: unknown): unknown {
  return typeof value === 'string' ? parsedJson(value) : value
}

function readHeaders(value: unknown): Headers | undefined {
  const pairs = Array.isArray(value)
    ? value
    : isObject(value)
      ? Object.entries(value)
      : value === undefined
        ? []
        : undefined
  try {
    return (
      pairs &&
      new Headers(pairs.map(([name, field]) => [String(name), Array.isArray(field) ? field.join(', ') : String(field)]))
    )
  } catch {
    return undefined
  }
}

function bytesOf({ body, bodyEncoding }: JsonObject): Uint8Array {
  if (body === undefined || body === null) return new Uint8Array()
  if (typeof body !== 'string') return Buffer.from(JSON.stringify(body))
  return Buffer.from(body, bodyEncoding === 'base64' ? 'base64' : 'utf8')
}
