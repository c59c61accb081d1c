import { isDeepStrictEqual } from 'node:util'
import { Value } from 'typebox/value'
import { requestProblem, returnProblem } from './check-requests.ts'
import { type Api, AssistantMessage, apis, textOf, toolCallsOf } from './message.ts'
import { failureCodes, type ModelEvent, type ModelFailure, type Outcome } from './model.ts'
import { wireOf } from './open-model.ts'
import { type RecordedExchange, readExchange } from './recorded-exchange.ts'
import { Answer } from './wire/answer.ts'
import { failureOfAnswer } from './wire/vendor-failure.ts'
import type { Wire } from './wire/wire.ts'

export interface ExchangeVerdict {
  line: number
  /** Undefined where the line does not say it rightly. */
  api?: Api
  pass: boolean
  /** Why it does not pass. */
  reason?: string
  message?: AssistantMessage
  failure?: ModelFailure
}

export interface ExchangesReport {
  /** Every exchange passes, and there is one. */
  ok: boolean
  apis: Partial<Record<Api, { pass: boolean; passed: number; failed: number; reasons: string[] }>>
  exchanges: ExchangeVerdict[]
}

/** Replays recorded exchanges through the adapters, one JSON object a line. What passes is written in docs/models.md. */
export async function checkExchanges(lines: AsyncIterable<string> | Iterable<string>): Promise<ExchangesReport> {
  const exchanges: ExchangeVerdict[] = []
  let number = 0
  for await (const line of lines) {
    number++
    if (line.trim() !== '') exchanges.push({ line: number, ...checkExchange(line) })
  }
  const report: ExchangesReport = {
    ok: exchanges.length > 0 && exchanges.every(({ pass }) => pass),
    apis: {},
    exchanges,
  }
  for (const api of apis) {
    const own = exchanges.filter((exchange) => exchange.api === api)
    const failed = own.filter(({ pass }) => !pass)
    if (own.length === 0) continue
    report.apis[api] = {
      pass: failed.length === 0,
      passed: own.length - failed.length,
      failed: failed.length,
      reasons: failed.map(({ line, reason }) => `line ${line}: ${reason}`),
    }
  }
  return report
}

function checkExchange(line: string): Omit<ExchangeVerdict, 'line'> {
  const exchange = readExchange(line)
  if (typeof exchange === 'string') return { ...named(line), pass: false, reason: exchange }
  const { api } = exchange
  try {
    // Any vendor of Chat Completions may have been recorded.
    const wire = wireOf(api, 'compatible')
    const outcome = replay(wire, exchange, exchange.body.length)
    const reason =
      outcomeProblem(wire, exchange, outcome) ??
      requestProblem(wire, exchange) ??
      returnProblem(wire, exchange, outcome)
    const told = outcome.type === 'done' ? { message: outcome.message } : { failure: outcome.failure }
    return { api, pass: reason === undefined, ...(reason && { reason }), ...told }
  } catch (error) {
    return { api, pass: false, reason: `the adapter threw: ${String(error)}` }
  }
}

/** What the line says of its API, though it is no exchange. */
function named(line: string): { api?: Api } {
  const api = apis.find((known) => new RegExp(`"api"\\s*:\\s*"${known}"`).test(line))
  return api ? { api } : {}
}

/** The outcome, and the events before it, when the body comes in pieces of `size` bytes. */
function replay(wire: Wire, exchange: RecordedExchange, size: number): Outcome & { before: ModelEvent[] } {
  const { status, headers, body, model } = exchange
  if (status === 0)
    return { type: 'failed', failure: { code: 'network', message: 'no answer was recorded' }, before: [] }
  if (status < 200 || status > 299) {
    const failure = failureOfAnswer(status, headers, Buffer.from(body).toString('utf8'), 0)
    return { type: 'failed', failure, before: [] }
  }
  let ids = 0
  const answer = new Answer(wire, { ...(model && { model }), newId: () => `made_${++ids}` })
  const before: ModelEvent[] = []
  for (let at = 0; at < body.length && !answer.complete; at += size)
    before.push(...answer.push(body.subarray(at, at + size)))
  const end = answer.end()
  return { ...end, before: [...before, ...end.before] }
}

const mostPieces = 8192

function outcomeProblem(
  wire: Wire,
  exchange: RecordedExchange,
  outcome: Outcome & { before: ModelEvent[] },
): string | undefined {
  const size = Math.ceil(exchange.body.length / mostPieces) || 1
  const { before: _, ...whole } = outcome
  const { before: __, ...pieces } = replay(wire, exchange, size)
  if (!isDeepStrictEqual(whole, pieces)) return `in pieces of ${size} bytes the outcome is another`
  if (outcome.type === 'failed') return failureProblem(exchange, outcome)
  return (
    messageProblem(outcome.message) ??
    eventsProblem(outcome.message, outcome.before) ??
    usageProblem(exchange, outcome.message)
  )
}

function failureProblem({ body }: RecordedExchange, { failure, partial }: Failed): string | undefined {
  const { code, message, vendorCode } = failure
  if (!(code in failureCodes) || message === '') return `the failure has no type or says nothing: ${code} ${message}`
  // Where an answer is, something must be read of it.
  const broken = (code === 'malformed' || code === 'network') && !vendorCode && !partial?.content.length
  if (!broken || !looksWhole(Buffer.from(body).toString('utf8'))) return undefined
  return `the answer looks whole, and was read as ${code}: ${message}`
}

type Failed = Extract<Outcome, { type: 'failed' }>

function looksWhole(text: string): boolean {
  try {
    const value = JSON.parse(text)
    const { choices, content, output, candidates } = Array.isArray(value) ? value[0] : value
    const lists = [choices, content, output, candidates].some((list) => Array.isArray(list) && list.length > 0)
    return lists && /"(text|content|name)"\s*:\s*"[^"]/.test(text)
  } catch {
    return false
  }
}

function messageProblem(message: AssistantMessage): string | undefined {
  const [error] = Value.Errors(AssistantMessage, message)
  if (error) return `the message is not valid: ${JSON.stringify(error)}`
  const calls = toolCallsOf(message)
  if (new Set(calls.map(({ id }) => id)).size < calls.length) return 'two tool calls have the same id'
  if (message.stopReason === 'tool_calls' && calls.length === 0) return 'it stopped for tool calls and has none'
  if (message.stopReason === 'end' && calls.length > 0) return 'it has tool calls and did not stop for them'
  return undefined
}

/** What was told piece by piece is what the message says. */
function eventsProblem(message: AssistantMessage, events: ModelEvent[]): string | undefined {
  const text = events.flatMap((event) => (event.type === 'text' ? event.text : [])).join('')
  if (text.length !== textOf(message).length) return 'the text of the events is not that of the message'
  const ids = events.flatMap((event) => (event.type === 'tool_call' ? event.id : []))
  const calls = toolCallsOf(message).map(({ id }) => id)
  return isDeepStrictEqual([...ids].sort(), [...calls].sort())
    ? undefined
    : 'the tool calls of the events are not those of the message'
}

function usageProblem({ body }: RecordedExchange, { usage }: AssistantMessage): string | undefined {
  const counted = /"(prompt_tokens|input_tokens|promptTokenCount)"\s*:\s*\d/.test(Buffer.from(body).toString('utf8'))
  return counted && !usage ? 'the answer counts tokens and the message does not' : undefined
}
