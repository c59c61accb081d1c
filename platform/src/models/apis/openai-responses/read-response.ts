import { array, count, isObject, type JsonObject, object, present, rest, string } from '../../wire/json.ts'
import type { MessageBuilder } from '../../wire/message-builder.ts'
import { failureInBody } from '../../wire/vendor-failure.ts'
import type { AnswerReader } from '../../wire/wire.ts'

/** Reads whole responses and their events. */
export function responsesReader(message: MessageBuilder): AnswerReader {
  const items = new Items(message)
  let complete = false

  const takeResponse = (response: JsonObject) => {
    message.identify({ model: string(response.model), responseId: string(response.id) })
    takeUsage(message, object(response.usage))
    if (isObject(response.error) && Object.keys(response.error).length > 0)
      message.fail(failureInBody({ error: response.error })!)
    const output = array(response.output).map(object)
    for (const [index, at] of items.positionsOf(output).entries()) items.done(at, output[index]!)
  }

  return {
    take(document, event) {
      const type = string(document.type) ?? event ?? ''
      const output = count(document.output_index)
      const itemId = string(document.item_id)
      if (type === 'error') {
        const failure = failureInBody(document) ?? failureInBody({ error: { ...document, type: undefined } })
        return message.fail(failure ?? { code: 'server_error', message: 'the vendor reported an error without a word' })
      }
      if (
        document.object === 'response' ||
        document.object === 'response.compaction' ||
        Array.isArray(document.output)
      ) {
        takeResponse(document)
        complete = true
        return takeStatus(message, document)
      }
      switch (type) {
        case 'response.created':
        case 'response.in_progress':
        case 'response.queued':
          return message.identify({
            model: string(object(document.response).model),
            responseId: string(object(document.response).id),
          })
        case 'response.output_item.added':
          return items.added(output, object(document.item))
        case 'response.output_item.done':
          return items.done(items.position(output, string(object(document.item).id)), object(document.item))
        case 'response.output_text.delta':
        case 'response.refusal.delta':
          return items.text(
            items.position(output, itemId),
            count(document.content_index) ?? 0,
            string(document.delta) ?? '',
          )
        case 'response.function_call_arguments.delta':
          return items.arguments(items.position(output, itemId), string(document.delta) ?? '')
        case 'response.function_call_arguments.done':
          return items.wholeArguments(items.position(output, itemId), document)
        case 'response.reasoning_summary_text.delta':
          return items.reasoning(
            items.position(output, itemId),
            count(document.summary_index) ?? 0,
            string(document.delta) ?? '',
          )
        case 'response.reasoning_text.delta':
        case 'response.reasoning.delta':
          return items.reasoning(
            items.position(output, itemId),
            count(document.content_index) ?? 0,
            string(document.delta) ?? '',
          )
        case 'response.completed':
        case 'response.incomplete':
        case 'response.failed':
        case 'response.cancelled':
        case 'response.done':
          takeResponse(object(document.response))
          complete = true
          return takeStatus(message, { status: type.slice('response.'.length), ...object(document.response) })
        default: {
          const failure = type === '' ? failureInBody(document) : undefined
          if (failure) message.fail(failure)
        }
      }
    },
    get complete() {
      return complete
    },
  }
}

function takeStatus(message: MessageBuilder, response: JsonObject) {
  const reason = string(object(response.incomplete_details).reason)
  switch (string(response.status)) {
    case 'incomplete':
      if (reason === 'content_filter')
        message.fail({ code: 'content_filtered', message: 'the vendor withheld the answer', vendorCode: reason })
      return message.stop('length')
    case 'failed':
    case 'cancelled':
      return message.fail({ code: 'server_error', message: `the vendor says that the response has ${response.status}` })
    case 'queued':
    case 'in_progress':
      return message.stop('paused')
    default:
      if (!message.stopped) message.stop('end')
  }
}

/** The items of one response, by their position in its output. */
class Items {
  readonly #message: MessageBuilder
  readonly #items = new Map<number, { id: string | undefined; type: unknown }>()
  #last = 0
  readonly #lastPiece = new Map<number, number>()

  constructor(message: MessageBuilder) {
    this.#message = message
  }

  /** Some servers leave out the index, some the id, some both: then it is the last item. */
  position(output: number | undefined, id: string | undefined): number {
    return output ?? this.#byId(id) ?? this.#last
  }

  /**
   * Where the items of a whole response were when they came one by one: some leave out what they hid, number with gaps or give
   * other ids in the end. One that was never told of comes behind the others.
   */
  positionsOf(output: readonly JsonObject[]): number[] {
    const known = output.map(({ id }) => this.#byId(string(id)))
    const taken = new Set(known)
    const isLike = (at: number, type: unknown) => !taken.has(at) && this.#items.get(at)?.type === type
    let next = this.#items.size === 0 ? 0 : this.#last + 1
    return output.map((item, index) => {
      const like = isLike(index, item.type) ? index : [...this.#items.keys()].find((at) => isLike(at, item.type))
      const at = known[index] ?? like ?? next++
      taken.add(at)
      return at
    })
  }

  added(output: number | undefined, item: JsonObject) {
    const at = output ?? (this.#items.size === 0 ? 0 : this.#last + 1)
    this.#note(at, item)
    const key = `item${at}`
    if (item.type === 'function_call' || item.type === 'custom_tool_call')
      this.#message.toolCall(key, { id: string(item.call_id), name: string(item.name) })
  }

  text(at: number, index: number, piece: string) {
    this.#message.text(`item${at}.${index}`, piece)
  }

  arguments(at: number, piece: string) {
    this.#message.toolCall(`item${at}`, { arguments: piece })
  }

  wholeArguments(at: number, told: JsonObject) {
    this.#message.toolCall(`item${at}`, { name: string(told.name) })
    this.#message.wholeArguments(`item${at}`, string(told.arguments) ?? '')
  }

  /** Paragraphs of a summary come as parts of their own. */
  reasoning(at: number, index: number, piece: string) {
    const last = this.#lastPiece.get(at)
    this.#message.reasoning(`item${at}`, last !== undefined && last !== index ? `\n\n${piece}` : piece)
    this.#lastPiece.set(at, index)
  }

  /** The whole item, which repeats what its pieces said, or says it for the first time. */
  done(at: number, item: JsonObject) {
    this.#note(at, item)
    const key = `item${at}`
    const more = (names: string[]) => this.#message.keep(key, rest(item, ['type', 'status', ...names]))
    switch (item.type) {
      case 'message':
        for (const [index, part] of array(item.content).map(object).entries())
          this.#takePart(`${key}.${index}`, part, item)
        return
      case 'reasoning': {
        const [summary, content] = [textsOf(item.summary), textsOf(item.content)]
        this.#message.whole(key, 'reasoning', (summary.length > 0 ? summary : content).join('\n\n'))
        // Without text and proof it is there all the same: what follows cannot go back under its id.
        if (!this.#message.signatureOf(key)) this.#message.sign(key, 'reasoning', string(item.encrypted_content) ?? '')
        return more(['summary', 'content', 'encrypted_content'])
      }
      case 'function_call':
        this.#message.toolCall(key, { id: string(item.call_id) ?? string(item.id), name: string(item.name) })
        this.#message.wholeArguments(
          key,
          isObject(item.arguments) ? JSON.stringify(item.arguments) : (string(item.arguments) ?? ''),
        )
        return more(['call_id', 'name', 'arguments'])
      case 'custom_tool_call':
        this.#message.toolCall(key, { id: string(item.call_id), name: string(item.name) })
        this.#message.wholeArguments(key, JSON.stringify({ input: item.input ?? '' }))
        this.#message.keep(key, { type: item.type })
        return more(['call_id', 'name', 'input'])
      default:
        return this.#message.vendor(key, item)
    }
  }

  #byId(id: string | undefined): number | undefined {
    if (id === undefined) return undefined
    for (const [at, item] of this.#items) if (item.id === id) return at
    return undefined
  }

  #note(at: number, { id, type }: JsonObject) {
    const before = this.#items.get(at)
    this.#items.set(at, { id: before?.id ?? string(id), type: before?.type ?? type })
    this.#last = Math.max(this.#last, at)
  }

  #takePart(key: string, part: JsonObject, item: JsonObject) {
    if (part.type === 'refusal') {
      this.#message.whole(key, 'text', string(part.refusal) ?? '')
      this.#message.stop('refusal')
    } else this.#message.whole(key, 'text', string(part.text) ?? '')
    const annotations = Array.isArray(part.annotations) && part.annotations.length > 0 ? part.annotations : undefined
    this.#message.keep(key, present({ id: string(item.id), annotations, phase: string(item.phase) }))
  }
}

function textsOf(parts: unknown): string[] {
  return array(parts).flatMap((part) => string(object(part).text) ?? [])
}

function takeUsage(message: MessageBuilder, usage: JsonObject) {
  const inputTokens = count(usage.input_tokens) ?? count(usage.prompt_tokens)
  const outputTokens = count(usage.output_tokens) ?? count(usage.completion_tokens)
  if (inputTokens === undefined && outputTokens === undefined) return
  const input = object(usage.input_tokens_details)
  message.usage(
    present({
      inputTokens,
      outputTokens,
      cachedInputTokens: count(input.cached_tokens),
      cacheWriteTokens: count(input.cache_write_tokens),
      reasoningTokens: count(object(usage.output_tokens_details).reasoning_tokens),
    }),
  )
}
