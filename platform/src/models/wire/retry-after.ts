import { object, string } from './json.ts'

/** How long a vendor asks to wait, from headers or from the body of its error. */
export function retryAfterMs(headers: Headers, body: unknown, now: number): number | undefined {
  const told = headers.get('retry-after')
  // The same header twice comes as one, and a date has a comma of its own.
  const [number] = /^[\d.]+(?=\s*(?:,|$))/.exec(told?.trim() ?? '') ?? []
  return (
    milliseconds(headers.get('retry-after-ms')) ??
    seconds(number ?? null) ??
    // By the clock of who says it.
    (told && /^[a-z]|^\d{4}-/i.test(told) ? until(told, dateOf(headers) ?? now) : undefined) ??
    (told && /^\d/.test(told) ? span(told) : undefined) ??
    googleDelay(body) ??
    resetOf(headers, now)
  )
}

function milliseconds(value: string | null): number | undefined {
  const number = value === null || value.trim() === '' ? Number.NaN : Number(value)
  return Number.isFinite(number) && number >= 0 ? Math.round(number) : undefined
}

function seconds(value: string | null): number | undefined {
  const ms = milliseconds(value)
  return ms === undefined ? undefined : Math.round(Number(value) * 1000)
}

function dateOf(headers: Headers): number | undefined {
  const at = Date.parse(headers.get('date') ?? '')
  return Number.isFinite(at) ? at : undefined
}

/** A date in the past means now. */
function until(value: string | null, now: number): number | undefined {
  const at = value === null ? Number.NaN : Date.parse(value)
  return Number.isFinite(at) ? Math.max(0, at - now) : undefined
}

/** The detail `google.rpc.RetryInfo`: `"34.07s"`. */
function googleDelay(body: unknown): number | undefined {
  const error = object(object(Array.isArray(body) ? body[0] : body).error)
  for (const detail of Array.isArray(error.details) ? error.details : []) {
    const [, delay] = /^([\d.]+)s$/.exec(string(object(detail).retryDelay) ?? '') ?? []
    if (delay) return Math.round(Number(delay) * 1000)
  }
  return undefined
}

/** When the used-up limit is filled again: the later of those that have nothing left. */
function resetOf(headers: Headers, now: number): number | undefined {
  const waits = ['requests', 'tokens', 'input-tokens', 'output-tokens'].flatMap((what) => {
    const openai = headers.get(`x-ratelimit-remaining-${what}`) === '0' && headers.get(`x-ratelimit-reset-${what}`)
    const anthropic =
      headers.get(`anthropic-ratelimit-${what}-remaining`) === '0' && headers.get(`anthropic-ratelimit-${what}-reset`)
    return [openai ? span(openai) : undefined, anthropic ? until(anthropic, now) : undefined]
  })
  const known = waits.filter((wait) => wait !== undefined)
  return known.length > 0 ? Math.max(...known) : undefined
}

/** `6m0s`, `1.5s`, `20ms`. */
function span(value: string): number | undefined {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  const parts = [...value.matchAll(/([\d.]+)(ms|s|m|h|d)/g)]
  if (parts.length === 0) return seconds(value)
  return Math.round(parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit!]!, 0))
}
