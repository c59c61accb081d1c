import { type Static, Type } from 'typebox'

/** The wires that are spoken, as they are spelled in recorded exchanges. */
export const apis = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const
export type Api = (typeof apis)[number]

const Api = Type.Enum([...apis])
const JsonObject = Type.Record(Type.String(), Type.Unknown())

/** Fields that only one API knows, kept verbatim and given back to it alone. */
const Extra = Type.Optional(Type.Partial(Type.Record(Api, JsonObject)))
export type Extra = Static<typeof Extra>

/**
 * Proof of a vendor that a part is its own. Sent back to the API it came from (the message's `origin`), to no other. For an
 * encrypted reasoning it is the reasoning itself.
 */
const Signature = Type.Optional(Type.String())

const TextPart = Type.Object({ type: Type.Literal('text'), text: Type.String(), signature: Signature, extra: Extra })
export type TextPart = Static<typeof TextPart>

const ImagePart = Type.Object({
  type: Type.Literal('image'),
  /** Base64; either this and `mediaType`, or `url`. */
  data: Type.Optional(Type.String()),
  mediaType: Type.Optional(Type.String()),
  url: Type.Optional(Type.String()),
  /** Where it is kept instead. Whoever keeps it puts `data` in its place before a model is asked. */
  stored: Type.Optional(Type.String()),
  extra: Extra,
})
export type ImagePart = Static<typeof ImagePart>

const ReasoningPart = Type.Object({
  type: Type.Literal('reasoning'),
  /** What may be shown. Empty where the vendor hides it. */
  text: Type.String(),
  signature: Signature,
  /** The signature holds reasoning that nobody but the vendor can read. */
  encrypted: Type.Optional(Type.Boolean()),
  extra: Extra,
})
export type ReasoningPart = Static<typeof ReasoningPart>

const ToolCallPart = Type.Object({
  type: Type.Literal('tool_call'),
  /** Unique in its message. */
  id: Type.String({ minLength: 1 }),
  name: Type.String({ minLength: 1 }),
  arguments: JsonObject,
  /** What the model wrote where it is no JSON object; `arguments` is then empty and the call must not run. */
  invalidArguments: Type.Optional(Type.String()),
  signature: Signature,
  extra: Extra,
})
export type ToolCallPart = Static<typeof ToolCallPart>

/** Something only one API has, such as the record of a search on its side. Verbatim. */
const VendorPart = Type.Object({ type: Type.Literal('vendor'), api: Api, value: JsonObject })
export type VendorPart = Static<typeof VendorPart>

const InputPart = Type.Union([TextPart, ImagePart, VendorPart])
export type InputPart = Static<typeof InputPart>

const AssistantPart = Type.Union([TextPart, ReasoningPart, ToolCallPart, ImagePart, VendorPart])
export type AssistantPart = Static<typeof AssistantPart>

/**
 * Why the model stopped: it was done, wants tools run, reached the limit of tokens or a stop sequence, declined, or was
 * interrupted by its vendor and goes on when it is asked again.
 */
export const stopReasons = ['end', 'tool_calls', 'length', 'stop_sequence', 'refusal', 'paused'] as const
export type StopReason = (typeof stopReasons)[number]

const Tokens = Type.Integer({ minimum: 0 })

/** What a vendor counted. Input includes what was read from and written to its cache; output includes reasoning. */
export const Usage = Type.Object({
  inputTokens: Tokens,
  outputTokens: Tokens,
  cachedInputTokens: Tokens,
  cacheWriteTokens: Tokens,
  reasoningTokens: Tokens,
})
export type Usage = Static<typeof Usage>

export const AssistantMessage = Type.Object({
  role: Type.Literal('assistant'),
  content: Type.Array(AssistantPart),
  stopReason: Type.Enum([...stopReasons]),
  /** Absent where the vendor told nothing: unknown is not zero. */
  usage: Type.Optional(Usage),
  /** Who wrote it. Signatures and extra fields are worth something there only. */
  origin: Type.Object({
    api: Type.Optional(Api),
    model: Type.Optional(Type.String()),
    responseId: Type.Optional(Type.String()),
  }),
  extra: Extra,
})
export type AssistantMessage = Static<typeof AssistantMessage>

/** The outcome of one tool call. */
const ToolMessage = Type.Object({
  role: Type.Literal('tool'),
  callId: Type.String({ minLength: 1 }),
  content: Type.Array(InputPart),
  isError: Type.Optional(Type.Boolean()),
  extra: Extra,
})
export type ToolMessage = Static<typeof ToolMessage>

const SystemMessage = Type.Object({ role: Type.Literal('system'), content: Type.Array(TextPart), extra: Extra })
const UserMessage = Type.Object({ role: Type.Literal('user'), content: Type.Array(InputPart), extra: Extra })

export const Message = Type.Union([SystemMessage, UserMessage, AssistantMessage, ToolMessage])
export type Message = Static<typeof Message>

/** All text that `message` shows, without reasoning. */
export function textOf(message: Message): string {
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

export function toolCallsOf(message: AssistantMessage): ToolCallPart[] {
  return message.content.filter((part) => part.type === 'tool_call')
}
