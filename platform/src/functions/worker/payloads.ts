import type { AnswerHead, AskedAnswer, AskedCall, Failure } from '../invocations/invocation.ts'
import { jsonHead } from './frames.ts'

const reasons = ['error', 'bad_json', 'response_too_large', 'load_failed', 'missing_handler', 'exited']

/** A worker may say anything. */
export function readFailure(payload: Buffer): Failure {
  const text = (value: unknown, most: number) =>
    typeof value === 'string' ? storable(value.slice(0, most)) : undefined
  try {
    const { reason, message, type, stack } = JSON.parse(payload.toString('utf8'))
    return {
      reason: reasons.includes(reason) ? reason : 'error',
      message: text(message, 8192) ?? '',
      ...(type === undefined ? {} : { type: text(type, 200) }),
      ...(stack === undefined ? {} : { stack: text(stack, 16_384) }),
    }
  } catch {
    return { reason: 'error', message: 'the function failed and did not say how' }
  }
}

export function readHead(payload: Buffer): AnswerHead {
  try {
    const { status, headers } = JSON.parse(payload.toString('utf8'))
    const isPair = (pair: unknown): pair is [string, string] =>
      Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string')
    return {
      ...(Number.isInteger(status) && status >= 200 && status <= 599 ? { status } : {}),
      headers: Array.isArray(headers)
        ? headers.filter(isPair).map(([name, value]) => [storable(name), storable(value)])
        : [],
    }
  } catch {
    return {}
  }
}

/** What PostgreSQL takes: no NUL, and no half of a character. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}

/** JSON of a value, which PostgreSQL takes as jsonb: JSON may have escapes of what it does not. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value)
  // Looking for one is a tenth of looking for all of them, and most have none.
  if (!text.includes('\\')) return text
  // A pair of backslashes first, so that what follows one is no escape.
  return text.replace(/\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g, (found) =>
    found === '\\\\' ? found : found === '\\u0000' ? '' : '\ufffd',
  )
}

/** A step that is asked for or was finished; undefined for what is none. */
export function readStep(
  payload: Buffer,
): { number: number; name: string; value?: unknown; done?: boolean } | undefined {
  try {
    const { number, name, value, done } = JSON.parse(payload.toString('utf8'))
    return { number: Number(number) >>> 0, name: storable(String(name)), value, done: Boolean(done) }
  } catch {
    return undefined
  }
}

const mostKey = 500

/** A call of another function; undefined for what is none. */
export function readAsked(payload: Buffer): (AskedCall & { number: number }) | undefined {
  try {
    const { number, key, function: name, version, payload: text } = JSON.parse(payload.toString('utf8'))
    return {
      number: Number(number) >>> 0,
      key: storable(String(key).slice(0, mostKey)),
      function: storable(String(name).slice(0, 64)),
      version: version === undefined || version === null ? undefined : String(version).slice(0, 64),
      payload: Buffer.from(String(text)),
    }
  } catch {
    return undefined
  }
}

/** What such a call came to, as the worker is told. */
export function answerParts(answer: AskedAnswer): Buffer[] {
  if ('failure' in answer) {
    const { reason, message, type } = answer.failure
    return [jsonHead({ id: answer.id, failure: { reason, message, type } })]
  }
  return [jsonHead({ id: answer.id, ...(answer.head ? { head: answer.head } : {}) }), answer.result]
}
