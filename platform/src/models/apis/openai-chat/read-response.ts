import type { StopReason } from '../../message.ts'
import { array, count, isObject, type JsonObject, object, present, string } from '../../wire/json.ts'
import type { MessageBuilder } from '../../wire/message-builder.ts'
import { failureInBody } from '../../wire/vendor-failure.ts'
import type { AnswerReader } from '../../wire/wire.ts'

/** Where reasoning stands: DeepSeek, Qwen and Kimi say the first, vLLM, Ollama and OpenRouter the second. */
const reasoningFields = ['reasoning_content', 'reasoning'] as const

/** Reads whole completions and their chunks: a chunk has in `delta` what a completion has in `message`. */
export function chatReader(message: MessageBuilder): AnswerReader {
  const calls = new CallPositions(message)
  /** Where several answers come mixed, the one that came first. */
  let index: number | undefined

  return {
    take(document) {
      const failure = failureInBody(document)
      if (failure) message.fail(failure)
      message.identify({ model: string(document.model), responseId: string(document.id) })
      takeUsage(message, object(document.usage))
      takeUsage(message, object(object(document.x_groq).usage))
      const choices = array(document.choices).map(object)
      const choice = choices.find((one) => index === undefined || (count(one.index) ?? index) === index)
      if (!choice) return
      index ??= count(choice.index)
      // Kimi counts here.
      takeUsage(message, object(choice.usage))
      takeDelta(message, calls, object(choice.delta ?? choice.message ?? { content: choice.text }))
      const inChoice = failureInBody({ error: choice.error })
      if (inChoice) message.fail(inChoice)
      takeFinish(message, string(choice.finish_reason))
    },
    // The count of tokens comes after the reason to stop, and then an end mark, or none.
    complete: false,
  }
}

function takeDelta(message: MessageBuilder, calls: CallPositions, delta: JsonObject): void {
  takeReasoning(message, delta)
  if (typeof delta.content === 'string') message.text('text', delta.content)
  for (const part of array(delta.content)) takePart(message, object(part))
  if (typeof delta.refusal === 'string' && delta.refusal !== '') {
    message.text('text', delta.refusal)
    message.stop('refusal')
  }
  for (const [position, call] of array(delta.tool_calls).entries()) calls.take(object(call), position)
  if (isObject(delta.function_call)) calls.take({ index: 0, function: delta.function_call }, 0)
}

function takeReasoning(message: MessageBuilder, delta: JsonObject): void {
  // Some send both with the same words.
  const field = reasoningFields.find((name) => typeof delta[name] === 'string')
  const details = array(delta.reasoning_details).map(object)
  if (field && delta[field] !== '') {
    message.reasoning('reasoning', delta[field] as string)
    message.keep('reasoning', { field })
  } else if (!field) {
    for (const { text, summary } of details) message.reasoning('reasoning', string(text) ?? string(summary) ?? '')
  }
  for (const { signature, data } of details) {
    if (string(signature)) message.sign('reasoning', 'reasoning', signature as string)
    else if (string(data)) message.sign('reasoning', 'reasoning', data as string, true)
  }
}

/** Mistral writes content as a list, with its thinking in it. */
function takePart(message: MessageBuilder, part: JsonObject): void {
  if (part.type === 'thinking')
    for (const piece of array(part.thinking)) message.reasoning('reasoning', string(object(piece).text) ?? '')
  else if (part.type === 'refusal' && string(part.refusal)) {
    message.text('text', part.refusal as string)
    message.stop('refusal')
  } else if (string(part.text)) message.text('text', part.text as string)
}

/**
 * To which call a piece belongs. OpenAI counts them by `index`; others leave it out, say 0 for every one, send the id in
 * each piece or only in the first, or none at all.
 */
class CallPositions {
  readonly #message: MessageBuilder
  readonly #keys: string[] = []
  readonly #byIndex = new Map<number, string>()
  /** Those that the piece which is read has named. */
  readonly #named = new Set<string>()

  constructor(message: MessageBuilder) {
    this.#message = message
  }

  take(call: JsonObject, position: number): void {
    const fn = object(call.function ?? call.custom)
    const id = string(call.id)
    const name = string(fn.name) ?? string(call.name)
    const written = fn.arguments ?? call.arguments
    const text = typeof written === 'string' ? written : isObject(written) ? JSON.stringify(written) : ''
    if (position === 0) this.#named.clear()
    const key = this.#keyOf({ index: count(call.index), id, name, text, position })
    this.#named.add(key)
    this.#message.toolCall(key, { id, name, arguments: text })
    if (typeof fn.input === 'string') this.#message.wholeArguments(key, JSON.stringify({ input: fn.input }))
    // Gemini's compatible door keeps its thought signatures here.
    this.#message.keep(key, isObject(call.extra_content) ? { extra_content: call.extra_content } : undefined)
    if (call.type === 'custom') this.#message.keep(key, { type: 'custom' })
  }

  #keyOf(told: {
    index: number | undefined
    id: string | undefined
    name: string | undefined
    text: string
    position: number
  }): string {
    const { index, id, name } = told
    if (id !== undefined) {
      const known = this.#keys.find((key) => this.#message.idOf(key) === id)
      if (known && !this.#isTaken(known, index) && (name === undefined || name === this.#message.nameOf(known)))
        return known
    }
    const there = index === undefined ? this.#openAt(told.position, told) : this.#byIndex.get(index)
    if (there !== undefined && !this.#isAnother(there, id, name, told.text)) return there
    const key = `call${this.#keys.length}`
    this.#keys.push(key)
    if (index !== undefined) this.#byIndex.set(index, key)
    return key
  }

  /** Whether the vendor has given one id to two calls: one is whole, and the other has a number or a place of its own. */
  #isTaken(key: string, index: number | undefined): boolean {
    const isNumbered = index !== undefined && [...this.#byIndex.values()].includes(key)
    const isElsewhere = this.#named.has(key) || (isNumbered && this.#byIndex.get(index) !== key)
    return isElsewhere && isWhole(this.#message.textOf(key))
  }

  /** Without an index: the last call, unless several come in one piece, or this one has a name of its own. */
  #openAt(position: number, { id, name }: { id: string | undefined; name: string | undefined }): string | undefined {
    if (id !== undefined || name !== undefined) return position > 0 ? undefined : this.#keys.at(-1)
    return this.#keys.at(-1)
  }

  #isAnother(key: string, id: string | undefined, name: string | undefined, text: string): boolean {
    const [known, called, written] = [this.#message.idOf(key), this.#message.nameOf(key), this.#message.textOf(key)]
    if (id !== undefined && known !== undefined) return id !== known
    if (name === undefined || called === undefined) return false
    // Named again: by some in each piece. Another one when the arguments so far are whole and more begin.
    return name !== called || (isWhole(written) && text.trimStart().startsWith('{'))
  }
}

function isWhole(text: string): boolean {
  try {
    return isObject(JSON.parse(text))
  } catch {
    return false
  }
}

const stopReasons: Record<string, StopReason> = {
  stop: 'end',
  eos: 'end',
  eos_token: 'end',
  end_turn: 'end',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  tool_calls: 'tool_calls',
  tool_use: 'tool_calls',
  function_call: 'tool_calls',
  stop_sequence: 'stop_sequence',
}

function takeFinish(message: MessageBuilder, reason: string | undefined): void {
  if (reason === undefined) return
  if (['content_filter', 'sensitive', 'safety'].includes(reason.toLowerCase()))
    message.fail({ code: 'content_filtered', message: 'the vendor withheld the answer', vendorCode: reason })
  else if (['error', 'network_error', 'insufficient_system_resource', 'abort'].includes(reason))
    message.fail({ code: 'server_error', message: `the vendor stopped with "${reason}"`, vendorCode: reason })
  else if (!message.stopped) message.stop(stopReasons[reason.toLowerCase()] ?? 'end')
}

function takeUsage(message: MessageBuilder, usage: JsonObject): void {
  const inputTokens = count(usage.prompt_tokens) ?? count(usage.input_tokens)
  const written = count(usage.completion_tokens) ?? count(usage.output_tokens)
  if (inputTokens === undefined && written === undefined) return
  // xAI and Google leave reasoning out of it; only the total has it.
  const hidden = Math.max(0, (count(usage.total_tokens) ?? 0) - (inputTokens ?? 0) - (written ?? 0))
  const outputTokens = (written ?? 0) + hidden
  const input = object(usage.prompt_tokens_details ?? usage.input_tokens_details)
  const output = object(usage.completion_tokens_details ?? usage.output_tokens_details)
  message.usage(
    present({
      inputTokens,
      outputTokens,
      cachedInputTokens:
        count(input.cached_tokens) ?? count(usage.prompt_cache_hit_tokens) ?? count(usage.cached_tokens),
      cacheWriteTokens: count(input.cache_write_tokens) ?? count(input.cache_creation_input_tokens),
      reasoningTokens: count(output.reasoning_tokens) ?? count(usage.reasoning_tokens) ?? hidden,
    }),
  )
}
