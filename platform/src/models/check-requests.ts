import { isDeepStrictEqual } from 'node:util'
import { parsedJson } from '../lib/parsed-json.ts'
import { type AssistantPart, apis, type Message, toolCallsOf } from './message.ts'
import type { ModelRequest, Outcome } from './model.ts'
import { wireOf } from './open-model.ts'
import type { RecordedExchange } from './recorded-exchange.ts'
import { isObject, type JsonObject } from './wire/json.ts'
import { pairToolResults } from './wire/pair-tool-results.ts'
import type { Wire } from './wire/wire.ts'

/**
 * What is lost of a recorded request when it is read and written again. One that its vendor refused is written, but not
 * compared: it may be what was wrong.
 */
export function requestProblem(wire: Wire, { request, status, model }: RecordedExchange): string | undefined {
  if (!request) return undefined
  const first = wire.readRequest(request)
  const written = wire.writeRequest(first.request, { model: first.model || (model ?? ''), stream: first.stream })
  if (status >= 400) return undefined
  const again = wire.readRequest(written)
  const difference = differenceOf(comparable(first.request), comparable(again.request))
  if (difference) return `the request is not the same when it is read, written and read again: ${difference}`
  const lost = lostText(request, written)
  return lost === undefined ? undefined : `the rewritten request has lost ${JSON.stringify(lost.slice(0, 80))}`
}

/** Whether the answer can be sent back: to its own API with its signatures, to each other one without. */
export function returnProblem(wire: Wire, { request }: RecordedExchange, outcome: Outcome): string | undefined {
  if (outcome.type !== 'done' || outcome.message.content.length === 0) return undefined
  const { message } = outcome
  const before = request ? wire.readRequest(request).request.messages : []
  const results = toolCallsOf(message).map(
    ({ id }): Message => ({ role: 'tool', callId: id, content: [{ type: 'text', text: 'done' }] }),
  )
  const messages: Message[] = [
    ...before,
    message,
    ...results,
    { role: 'user', content: [{ type: 'text', text: 'Go on.' }] },
  ]
  for (const api of apis) {
    const other = wireOf(api, 'compatible')
    const body = other.writeRequest({ messages }, { model: 'any', stream: true })
    const problem = pairingProblem(other.readRequest(body).request)
    if (problem) return `sent back to ${api}, ${problem}`
    if (api !== wire.api) continue
    const text = JSON.stringify(body)
    const unsigned = message.content.some(
      (part) => 'signature' in part && part.signature && !text.includes(JSON.stringify(part.signature)),
    )
    if (unsigned && api !== 'openai-chat') return 'sent back, it has lost a signature'
  }
  return undefined
}

function pairingProblem({ messages }: ModelRequest): string | undefined {
  for (const [index, message] of messages.entries()) {
    if (message.role !== 'assistant') continue
    const calls = toolCallsOf(message).map(({ id }) => id)
    const after = messages.slice(index + 1, index + 1 + calls.length)
    const answered = after.flatMap((one) => (one.role === 'tool' ? one.callId : []))
    if (!isDeepStrictEqual(calls, answered))
      return `the calls ${calls.join(', ')} are followed by the results ${answered.join(', ')}`
  }
  return undefined
}

/** Without what says nothing, and which a strict writer leaves out. */
function comparable(request: ModelRequest): unknown {
  const paired = pairToolResults(request.messages)
  const messages = paired
    .map((message) => ({ ...message, content: joined(message.content) }))
    .filter(({ content }) => content.length > 0)
  return JSON.parse(JSON.stringify({ ...request, messages }))
}

/** Texts that follow one another as one. */
function joined(parts: Message['content']): Message['content'] {
  const content: AssistantPart[] = []
  for (const part of parts) {
    const last = content.at(-1)
    const plain = part.type === 'text' && !part.extra && !part.signature
    if (plain && last?.type === 'text' && !last.extra && !last.signature)
      content[content.length - 1] = { ...last, text: last.text + part.text }
    else if (!plain || part.text !== '') content.push(part)
  }
  return content as Message['content']
}

/** The path of the first difference. */
function differenceOf(a: unknown, b: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(a, b)) return undefined
  const branches = (isObject(a) && isObject(b)) || (Array.isArray(a) && Array.isArray(b))
  if (!branches) return `${path || 'all'}: ${brief(a)} became ${brief(b)}`
  const [left, right] = [a as JsonObject, b as JsonObject]
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = differenceOf(left[name], right[name], `${path}.${name}`)
    if (found) return found
  }
  return undefined
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80)
}

// What is said in other words, in the address, or is compared apart.
const notText = [
  'type',
  'role',
  'model',
  'tool_choice',
  'effort',
  'reasoning_effort',
  'detail',
  'mode',
  'status',
  'tool_call_id',
  'call_id',
  'tool_use_id',
]

/** A text of `before` that is nowhere in `after`. Texts in which JSON is written count as that JSON. */
function lostText(before: JsonObject, after: JsonObject): string | undefined {
  const there = texts(after).join('\u0000')
  return texts(before).find((text) => !there.includes(text))
}

function texts(value: unknown, name = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => texts(one, name))
  if (isObject(value)) return Object.entries(value).flatMap(([key, field]) => texts(field, key))
  if (typeof value !== 'string' || value === '' || notText.includes(name)) return []
  const json = /^\s*[[{]/.test(value) ? parsedJson(value) : undefined
  return typeof json === 'object' && json !== null ? texts(json, name) : [value]
}
