import { array, count, isObject, type JsonObject, object, present, rest, string } from '../../wire/json.ts'
import type { MessageBuilder } from '../../wire/message-builder.ts'
import { failureInBody } from '../../wire/vendor-failure.ts'
import type { AnswerReader } from '../../wire/wire.ts'

const filters = [
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'LANGUAGE',
  'IMAGE_SAFETY',
  'MODEL_ARMOR',
]

/** Reads whole answers and their pieces, which have the same form. */
export function geminiReader(message: MessageBuilder): AnswerReader {
  const parts = new Parts(message)
  /** Where several answers come mixed, the one that came first. */
  let index: number | undefined
  return {
    take(document) {
      // Cloud Code wraps each.
      const answer = isObject(document.response) ? document.response : document
      const failure = failureInBody(answer)
      if (failure) message.fail(failure)
      message.identify({
        model: string(answer.modelVersion ?? answer.model_version),
        responseId: string(answer.responseId ?? answer.response_id),
      })
      takeUsage(message, object(answer.usageMetadata ?? answer.usage_metadata))
      const candidates = array(answer.candidates).map(object)
      const candidate = candidates.find((one) => index === undefined || (count(one.index) ?? index) === index) ?? {}
      index ??= count(candidate.index)
      for (const part of array(object(candidate.content).parts)) parts.take(object(part))
      takeFinish(message, string(candidate.finishReason ?? candidate.finish_reason), string(candidate.finishMessage))
      const { blockReason, blockReasonMessage } = object(answer.promptFeedback ?? answer.prompt_feedback)
      if (string(blockReason))
        message.fail({
          code: 'content_filtered',
          message: string(blockReasonMessage) ?? `the vendor refuses the prompt: ${blockReason}`,
          vendorCode: blockReason as string,
        })
    },
    // Usage may come after the reason to stop, and there is no end mark.
    complete: false,
  }
}

/** Puts the pieces together: text that goes on where the last piece left off is one part. */
class Parts {
  readonly #message: MessageBuilder
  #count = 0
  #open: { key: string; type: 'text' | 'reasoning' } | undefined

  constructor(message: MessageBuilder) {
    this.#message = message
  }

  take(part: JsonObject) {
    const signature = string(part.thoughtSignature ?? part.thought_signature)
    const call = part.functionCall ?? part.function_call
    const data = object(part.inlineData ?? part.inline_data)
    if (isObject(call)) return this.#takeCall(call, signature)
    if (string(data.data)) {
      const key = this.#newKey()
      this.#message.image(key, {
        data: data.data as string,
        mediaType: string(data.mimeType ?? data.mime_type) ?? 'image/png',
      })
      if (signature) this.#message.keep(key, { thoughtSignature: signature })
      return
    }
    if (typeof part.text === 'string')
      return this.#takeText(part.text, part.thought === true ? 'reasoning' : 'text', signature)
    if (signature && this.#open) return this.#message.sign(this.#open.key, this.#open.type, signature)
    if (rest(part, ['thought', 'thoughtSignature'])) this.#message.vendor(this.#newKey(), part)
  }

  #takeText(text: string, type: 'text' | 'reasoning', signature: string | undefined) {
    // A signature of its own, at the end of the stream, belongs to what was said last.
    if (text === '' && this.#open && (signature || this.#open.type === type)) {
      if (signature) this.#message.sign(this.#open.key, this.#open.type, signature)
      return
    }
    if (text === '' && !signature) return
    if (this.#open?.type !== type) this.#open = { key: this.#newKey(false), type }
    const { key } = this.#open
    if (type === 'text') this.#message.text(key, text)
    else this.#message.reasoning(key, text)
    if (!signature) return
    this.#message.sign(key, type, signature)
    // What follows is not what was signed.
    this.#open = undefined
  }

  #takeCall(call: JsonObject, signature: string | undefined) {
    const key = this.#newKey()
    const id = string(call.id)
    this.#message.toolCall(key, { id: id ?? this.#message.newId(), name: string(call.name) })
    this.#message.wholeArguments(key, typeof call.args === 'string' ? call.args : JSON.stringify(call.args ?? {}))
    if (id) this.#message.keep(key, { id })
    if (signature) this.#message.sign(key, 'tool_call', signature)
  }

  #newKey(closes = true): string {
    if (closes) this.#open = undefined
    return `part${this.#count++}`
  }
}

function takeFinish(message: MessageBuilder, reason: string | undefined, said: string | undefined) {
  if (reason === undefined || reason === 'FINISH_REASON_UNSPECIFIED') return
  if (reason === 'STOP') message.stop('end')
  else if (reason === 'MAX_TOKENS') message.stop('length')
  else if (filters.includes(reason))
    message.fail({
      code: 'content_filtered',
      message: said ?? `the vendor withheld the answer: ${reason}`,
      vendorCode: reason,
    })
  else if (/FUNCTION_CALL|TOOL_CALL|SIGNATURE|RESPONSE/.test(reason))
    message.fail({
      code: 'malformed',
      message: said ?? `the model wrote no valid tool call: ${reason}`,
      vendorCode: reason,
    })
  else if (message.empty)
    message.fail({ code: 'server_error', message: said ?? `the vendor stopped: ${reason}`, vendorCode: reason })
  else message.stop('end')
}

function takeUsage(message: MessageBuilder, usage: JsonObject) {
  const field = (name: string) =>
    count(usage[name] ?? usage[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)])
  const prompt = field('promptTokenCount')
  const answer = field('candidatesTokenCount')
  const thoughts = field('thoughtsTokenCount')
  if (prompt === undefined && answer === undefined) return
  message.usage(
    present({
      // What its own tools put into the prompt is counted apart, and so are thoughts.
      inputTokens: prompt === undefined ? undefined : prompt + (field('toolUsePromptTokenCount') ?? 0),
      outputTokens: (answer ?? 0) + (thoughts ?? 0),
      cachedInputTokens: field('cachedContentTokenCount'),
      reasoningTokens: thoughts,
    }),
  )
}
