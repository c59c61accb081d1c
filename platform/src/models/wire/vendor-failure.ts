import { parsedJson } from '../../lib/parsed-json.ts'
import type { FailureCode, ModelFailure } from '../model.ts'
import { array, isObject, object, present, string } from './json.ts'
import { retryAfterMs } from './retry-after.ts'

const longestMessage = 500

/** What an HTTP answer that is no success says. Its body may be of any shape: JSON of any vendor, HTML, text, nothing. */
export function failureOfAnswer(status: number, headers: Headers, text: string, now: number): ModelFailure {
  const body = parsedJson(text)
  const said = errorIn(body)
  const message = said?.message ?? readable(text) ?? `HTTP ${status} without a word`
  return {
    code: codeOf({ status, kinds: said?.kinds ?? [], message, again: headers.get('x-should-retry') }),
    message: shorten(message),
    status,
    ...present({
      vendorCode: said?.kinds[0],
      retryAfterMs: retryAfterMs(headers, body, now),
      requestId: requestIdOf(headers, body),
    }),
  }
}

/** What an error within a stream, or within an answer of status 200, says. Undefined where `body` is no error. */
export function failureInBody(body: unknown): ModelFailure | undefined {
  const said = errorIn(body)
  if (!said) return undefined
  const status = said.kinds.map(Number).find((number) => number >= 400 && number < 600)
  return {
    code: codeOf({ status, kinds: said.kinds, message: said.message }),
    message: shorten(said.message),
    ...present({ status, vendorCode: said.kinds[0], retryAfterMs: retryAfterMs(new Headers(), body, 0) }),
  }
}

/** What is written where an answer was expected. */
export function readable(text: string): string | undefined {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1] ?? /<h1[^>]*>([^<]*)<\/h1>/i.exec(text)?.[1]
  const words = (title ?? text.replace(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')).replace(/\s+/g, ' ').trim()
  return words === '' ? undefined : shorten(words)
}

interface Said {
  message: string
  /** Every word or number by which the body names the error, the most telling first. */
  kinds: string[]
}

const answers = ['choices', 'content', 'output', 'candidates']

function errorIn(body: unknown): Said | undefined {
  const outer = object(Array.isArray(body) ? body[0] : body)
  if (isObject(outer.error) && Object.keys(outer.error).length > 0) return saidBy(outer.error, outer)
  const [first] = Array.isArray(outer.errors) ? outer.errors : isObject(outer.errors) ? [outer.errors] : []
  if (isObject(first) && Object.keys(first).length > 0) return saidBy(first, outer)
  if (string(first)) return saidBy({ message: first }, outer)
  if (typeof outer.error === 'string' && outer.error !== '')
    return saidBy({ ...outer, message: string(outer.message) ?? outer.error }, outer)
  const { status_code: status, status_msg: said } = object(outer.base_resp)
  if (status !== undefined && Number(status) !== 0) return saidBy({ message: said, code: status }, outer)
  // What has an answer in it is one, whatever is written around it.
  if (answers.some((name) => Array.isArray(outer[name]) && outer[name].length > 0)) return undefined
  if (outer.detail) return saidBy({ message: detail(outer.detail) }, outer)
  const named = outer.type === 'error' || outer.object === 'error' || string(outer.code) !== undefined
  return named && string(outer.message) !== undefined ? saidBy(outer, {}) : undefined
}

function saidBy(error: Record<string, unknown>, outer: Record<string, unknown>): Said {
  const metadata = object(error.metadata)
  const kinds = [error.code, error.type, error.status, object(error.inner_error).code, outer.code, outer.status_code]
    .map((kind) => (typeof kind === 'number' ? String(kind) : string(kind)))
    .filter((kind) => kind !== undefined && kind !== 'error')
  // Numbers tell less than names.
  kinds.sort((a, b) => Number(/^\d+$/.test(a!)) - Number(/^\d+$/.test(b!)))
  const message = string(error.message) ?? string(error.msg) ?? string(error.detail) ?? string(outer.message)
  const raw = string(metadata.raw)
  return {
    message: [message ?? kinds[0] ?? JSON.stringify(error), raw].filter(Boolean).join(': '),
    kinds: kinds as string[],
  }
}

/** FastAPI's: a sentence, or a list of what is wrong where. */
function detail(value: unknown): string {
  if (typeof value === 'string') return value
  const lines = array(value).map((entry) => `${array(object(entry).loc).join('.')}: ${String(object(entry).msg)}`)
  return lines.length > 0 ? lines.join('; ') : (string(object(value).message) ?? JSON.stringify(value))
}

interface Evidence {
  status?: number | undefined
  kinds: string[]
  message: string
  again?: string | null
}

const tooLong =
  /context.?(length|window|size)|maximum (context|prompt|input)|prompt is too long|input is too long|too many (input |prompt )?tokens|input token count|exceeds.{0,40}(context|token limit)|reduce the length|request_too_large|string_above_max_length/i
const noQuota =
  /insufficient[_ ](quota|balance|credit|funds)|exceeded your current quota|billing|credit balance|arrearage|out of credits|payment required|quota_exceeded/i
const filtered =
  /content[_ ]?(policy|filter|management)|responsibleai|data_inspection_failed|moderation|safety (system|filter)|prohibited_content|cyber_policy/i
const noKey =
  /authentication|unauthorized|unauthenticated|(invalid|incorrect)[_ ](api|x-api)[_ -]?key|api[_ ]key (not valid|is invalid)|permission|forbidden|access denied/i
const limited = /rate.?limit|too many requests|resource_exhausted|throttl|tokens per (min|day)|requests per (min|day)/i
const busy = /overloaded|unavailable|no capacity|at capacity|engine_overloaded|try again later|busy/i
const broken = /server_error|internal|api_error|bad gateway|upstream/i
const absent = /not_found|model_not_found|does not exist|no such model|unknown model|is not found/i
const slow = /timeout|timed out|deadline/i

/** What is said outweighs the status, for many send 400 for everything, or 429 for an empty account. */
function codeOf({ status, kinds, message, again }: Evidence): FailureCode {
  const words = kinds.join(' ')
  const both = `${words} ${message}`
  const mine = status === undefined || (status >= 400 && status < 500)
  if (mine && (tooLong.test(both) || status === 413)) return limited.test(words) ? 'rate_limited' : 'context_too_long'
  if (mine && noQuota.test(both)) return /resource_exhausted/i.test(words) ? 'rate_limited' : 'quota_exceeded'
  if (mine && filtered.test(both)) return 'content_filtered'
  if (status === 401 || status === 403) return 'auth'
  if (status === 402) return 'quota_exceeded'
  if (status === 429) return busy.test(words) ? 'overloaded' : 'rate_limited'
  if (status === 404 || status === 405 || status === 410) return 'not_found'
  if (status === 408 || status === 504 || status === 524) return 'timeout'
  if (status === 503 || status === 529) return 'overloaded'
  if (status !== undefined && status >= 500) return busy.test(words) ? 'overloaded' : 'server_error'
  if (status !== undefined && status >= 300 && status < 400) return 'not_found'
  if (noKey.test(words) || (mine && /api[_ ]key not valid|incorrect api key|invalid api key/i.test(message)))
    return 'auth'
  if (limited.test(words)) return 'rate_limited'
  if (busy.test(words)) return 'overloaded'
  if (absent.test(words)) return 'not_found'
  if (again === 'true') return 'server_error'
  if (status !== undefined) return status === 400 && absent.test(message) ? 'not_found' : 'invalid_request'
  if (slow.test(words)) return 'timeout'
  if (broken.test(words)) return 'server_error'
  if (/invalid/i.test(words)) return 'invalid_request'
  if (limited.test(message)) return 'rate_limited'
  return busy.test(message) ? 'overloaded' : 'server_error'
}

function requestIdOf(headers: Headers, body: unknown): string | undefined {
  for (const name of ['x-request-id', 'request-id', 'x-goog-request-id', 'cf-ray']) {
    const value = headers.get(name)
    if (value) return value
  }
  return string(object(body).request_id)
}

function shorten(text: string): string {
  return text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text
}
