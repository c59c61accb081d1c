import { parsedJson } from '../../../lib/parsed-json.ts'
import type { StopReason } from '../../message.ts'
import { array, count, isObject, type JsonObject, object, present, string } from '../../wire/json.ts'
import type { MessageBuilder } from '../../wire/message-builder.ts'
import { failureInBody } from '../../wire/vendor-failure.ts'
import type { AnswerReader } from '../../wire/wire.ts'

const stopReasons: Record<string, StopReason> = {
  end_turn: 'end',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  stop_sequence: 'stop_sequence',
  tool_use: 'tool_calls',
  pause_turn: 'paused',
  compaction: 'paused',
  refusal: 'refusal',
}

/** Reads whole messages and their events. */
export function anthropicReader(message: MessageBuilder): AnswerReader {
  const blocks = new Blocks(message)
  let usage: JsonObject = {}
  let complete = false

  const takeUsage = (told: unknown) => {
    if (!isObject(told)) return
    usage = { ...usage, ...Object.fromEntries(Object.entries(told).filter(([, value]) => value !== null)) }
    const cachedInputTokens = count(usage.cache_read_input_tokens) ?? 0
    const cacheWriteTokens = count(usage.cache_creation_input_tokens) ?? 0
    const input = count(usage.input_tokens)
    message.usage(
      present({
        // Theirs leaves out what was read from and written to the cache.
        inputTokens: input === undefined ? undefined : input + cachedInputTokens + cacheWriteTokens,
        outputTokens: count(usage.output_tokens),
        cachedInputTokens,
        cacheWriteTokens,
        reasoningTokens: count(object(usage.output_tokens_details).thinking_tokens),
      }),
    )
  }
  const takeStop = (told: unknown) => {
    const reason = string(told)
    if (reason) message.stop(stopReasons[reason] ?? 'end')
  }
  const takeMessage = (value: JsonObject) => {
    message.identify({ model: string(value.model), responseId: string(value.id) })
    takeUsage(value.usage)
    for (const [index, block] of array(value.content).entries()) {
      blocks.start(index, object(block))
      blocks.stop(index)
    }
    takeStop(value.stop_reason)
  }

  return {
    take(document, event) {
      const failure = failureInBody(document)
      if (failure) return message.fail(failure)
      switch (string(document.type) ?? event) {
        case 'message':
          return takeMessage(document)
        case 'message_start':
          return takeMessage(object(document.message))
        case 'content_block_start':
          return blocks.start(count(document.index), object(document.content_block))
        case 'content_block_delta':
          return blocks.delta(count(document.index), object(document.delta))
        case 'content_block_stop':
          return blocks.stop(count(document.index))
        case 'message_delta':
          takeUsage(document.usage)
          return takeStop(object(document.delta).stop_reason)
        case 'message_stop':
          complete = true
          // Some compatible servers tell no reason.
          if (!message.stopped) message.stop('end')
          return
        default:
          if (Array.isArray(document.content)) takeMessage(document)
      }
    },
    get complete() {
      return complete
    },
  }
}

/** The blocks of one message, by index; without one, the block that began last. */
class Blocks {
  readonly #message: MessageBuilder
  readonly #blocks: { block: JsonObject; json: string }[] = []
  #last = -1

  constructor(message: MessageBuilder) {
    this.#message = message
  }

  start(index: number | undefined, block: JsonObject) {
    const at = index ?? this.#last + 1
    this.#last = at
    this.#blocks[at] = { block, json: '' }
    const key = `block${at}`
    switch (block.type) {
      case 'text':
        this.#message.text(key, string(block.text) ?? '')
        return this.#message.keep(key, Array.isArray(block.citations) ? { citations: block.citations } : undefined)
      case 'thinking':
        this.#message.reasoning(key, string(block.thinking) ?? '')
        if (string(block.signature)) this.#message.sign(key, 'reasoning', block.signature as string)
        return
      case 'redacted_thinking':
        return this.#message.sign(key, 'reasoning', string(block.data) ?? '', true)
      case 'tool_use':
        this.#message.toolCall(key, { id: string(block.id), name: string(block.name) })
        return this.#message.keep(
          key,
          isObject(block.caller) && block.caller.type !== 'direct' ? { caller: block.caller } : undefined,
        )
      default:
        return this.#message.vendor(key, block)
    }
  }

  delta(index: number | undefined, delta: JsonObject) {
    const at = index ?? this.#last
    if (!this.#blocks[at]) this.start(at, { type: typeOfDelta[String(delta.type)] ?? 'text' })
    const state = this.#blocks[at]!
    const key = `block${at}`
    switch (delta.type) {
      case 'text_delta':
        return this.#message.text(key, string(delta.text) ?? '')
      case 'thinking_delta':
        return this.#message.reasoning(key, string(delta.thinking) ?? '')
      case 'signature_delta':
        return this.#message.sign(key, 'reasoning', string(delta.signature) ?? '')
      case 'input_json_delta':
        state.json += string(delta.partial_json) ?? ''
        if (state.block.type === 'tool_use')
          this.#message.toolCall(key, { arguments: string(delta.partial_json) ?? '' })
        return
      case 'citations_delta': {
        state.block = { ...state.block, citations: [...array(state.block.citations), delta.citation] }
        return this.#message.keep(key, { citations: state.block.citations })
      }
      default: {
        // What else grows in a block of theirs: `compaction_delta` has content.
        const { type: _, ...fields } = delta
        for (const [name, piece] of Object.entries(fields))
          state.block[name] =
            typeof piece === 'string' && typeof state.block[name] === 'string' ? state.block[name] + piece : piece
      }
    }
  }

  stop(index: number | undefined) {
    const at = index ?? this.#last
    const state = this.#blocks[at]
    if (!state) return
    const { block, json } = state
    const key = `block${at}`
    // Arguments that came with the beginning, and in no piece.
    if (block.type === 'tool_use' && json === '')
      this.#message.wholeArguments(
        key,
        typeof block.input === 'string' ? block.input : JSON.stringify(block.input ?? {}),
      )
    else if (json !== '' && block.type !== 'tool_use')
      this.#message.vendor(key, { ...block, input: parsedJson(json) ?? block.input })
  }
}

const typeOfDelta: Record<string, string> = {
  thinking_delta: 'thinking',
  signature_delta: 'thinking',
  input_json_delta: 'tool_use',
}
