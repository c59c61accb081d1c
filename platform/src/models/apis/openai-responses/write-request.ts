import type {
  AssistantMessage,
  AssistantPart,
  ImagePart,
  InputPart,
  Message,
  TextPart,
  ToolMessage,
} from '../../message.ts'
import type { ModelRequest, Tool } from '../../model.ts'
import { type JsonObject, present } from '../../wire/json.ts'
import { pairToolResults } from '../../wire/pair-tool-results.ts'
import { writeToolArguments } from '../../wire/tool-arguments.ts'
import { acceptedId } from '../../wire/tool-call-ids.ts'

const api = 'openai-responses'
const acceptedIds = /^[\w.:|-]{1,64}$/

export function writeResponsesRequest(
  request: ModelRequest,
  { model, stream }: { model: string; stream: boolean },
): JsonObject {
  const { tools, toolChoice, output, reasoning, messages } = request
  const { text, reasoning: moreReasoning, ...extra } = request.extra?.[api] ?? {}
  const [first] = messages
  const instructs = first?.role === 'system' && first.content.length === 1 && !first.extra?.[api]
  const history = instructs ? messages.slice(1) : messages
  // What the vendor keeps of the conversation is not in `messages`: results may stand without their calls.
  const kept = extra.previous_response_id !== undefined || extra.conversation !== undefined
  return present({
    model,
    instructions: instructs ? first.content[0]!.text : undefined,
    input: writeInput(kept ? history : pairToolResults(history)),
    ...(tools?.length && {
      tools: tools.map(writeTool),
      tool_choice: typeof toolChoice === 'object' ? { type: 'function', name: toolChoice.name } : toolChoice,
      parallel_tool_calls: request.parallelToolCalls,
    }),
    max_output_tokens: request.maxOutputTokens,
    temperature: request.temperature,
    top_p: request.topP,
    reasoning: merged(reasoning?.effort ? { effort: reasoning.effort } : undefined, moreReasoning),
    text: merged(output && { format: writeOutput(output) }, text),
    // The history is ours: nothing is kept there, and reasoning comes back to us encrypted.
    store: false,
    include: ['reasoning.encrypted_content'],
    stream: stream || undefined,
    ...extra,
  })
}

function merged(own: JsonObject | undefined, extra: unknown): JsonObject | undefined {
  return own || extra ? { ...own, ...(extra as JsonObject | undefined) } : undefined
}

function writeInput(messages: Message[]): JsonObject[] {
  const custom = new Set<string>()
  return messages.flatMap<JsonObject>((message) => {
    const extra = message.extra?.[api]
    if (message.role === 'system' || message.role === 'user')
      return { role: message.role, content: writeContent(message.content), ...extra }
    if (message.role === 'tool') return writeToolResult(message, custom.has(message.callId))
    for (const part of message.content)
      if (part.type === 'tool_call' && part.extra?.[api]?.type === 'custom_tool_call') custom.add(part.id)
    return writeAssistant(message)
  })
}

function writeContent(parts: InputPart[]): string | JsonObject[] {
  const [only] = parts
  if (parts.length === 0) return ''
  if (parts.length === 1 && only?.type === 'text' && !only.extra?.[api]) return only.text
  return parts.flatMap<JsonObject>((part) => {
    if (part.type === 'vendor') return part.api === api ? part.value : []
    if (part.type === 'image') return writeImage(part)
    return { type: 'input_text', text: part.text, ...part.extra?.[api] }
  })
}

function writeImage({ data, mediaType, url, extra }: ImagePart): JsonObject {
  const image_url = url ?? `data:${mediaType ?? 'image/png'};base64,${data ?? ''}`
  return { type: 'input_image', image_url, detail: 'auto', ...extra?.[api] }
}

function writeAssistant({ content, origin }: AssistantMessage): JsonObject[] {
  const own = origin.api === api
  // An id whose reasoning is not sent with it is refused.
  const named = content.every((part) => part.type !== 'reasoning' || part.signature)
  const texts = new Map<unknown, JsonObject>()
  const items = content.flatMap<JsonObject>((part) =>
    part.type === 'text' ? writeText(part, own, texts) : writeItem(part, own),
  )
  return named ? items : items.map(({ id: _, ...item }) => item)
}

/** Parts of one message item, known by its id, go back in one. */
function writeText(part: TextPart, own: boolean, texts: Map<unknown, JsonObject>): JsonObject | JsonObject[] {
  const { id, annotations, ...extra } = (own && part.extra?.[api]) || {}
  const content = { type: 'output_text', text: part.text, annotations: annotations ?? [] }
  const before = id === undefined ? undefined : texts.get(id)
  if (before) {
    ;(before.content as JsonObject[]).push(content)
    return []
  }
  if (part.text === '') return []
  const item = present({ type: 'message', role: 'assistant', id, content: [content], ...extra })
  texts.set(id, item)
  return item
}

function writeItem(part: Exclude<AssistantPart, TextPart>, own: boolean): JsonObject | JsonObject[] {
  const { type, ...extra } = (own && part.type !== 'vendor' && part.extra?.[api]) || {}
  switch (part.type) {
    case 'reasoning':
      // Without its encrypted form it would be looked for among what was stored, and nothing was.
      if (!own || !part.signature) return []
      return {
        type: 'reasoning',
        summary: part.text ? [{ type: 'summary_text', text: part.text }] : [],
        encrypted_content: part.signature,
        ...extra,
      }
    case 'tool_call': {
      const call_id = acceptedId(part.id, acceptedIds)
      if (type === 'custom_tool_call')
        return { type, call_id, name: part.name, input: part.arguments.input ?? '', ...extra }
      return {
        type: 'function_call',
        call_id,
        name: part.name,
        arguments: JSON.stringify(writeToolArguments(part)),
        ...extra,
      }
    }
    case 'vendor':
      return part.api === api ? part.value : []
    case 'image':
      return []
  }
}

function writeToolResult({ callId, content, isError, extra }: ToolMessage, custom: boolean): JsonObject {
  const written = writeContent(content)
  const failed = isError && typeof written === 'string' && !/error/i.test(written.slice(0, 100))
  return {
    type: custom ? 'custom_tool_call_output' : 'function_call_output',
    call_id: acceptedId(callId, acceptedIds),
    output: failed ? `Error: ${written}` : written,
    ...extra?.[api],
  }
}

function writeTool(tool: Tool): JsonObject {
  if (tool.type === 'vendor') return tool.value
  const { name, description, inputSchema, strict, extra } = tool
  // Left out, it would mean true, and most schemas do not fit that.
  return present({
    type: 'function',
    name,
    description,
    parameters: inputSchema,
    strict: strict ?? false,
    ...extra?.[api],
  })
}

function writeOutput({ name, description, schema, strict }: NonNullable<ModelRequest['output']>): JsonObject {
  if (!schema) return { type: 'json_object' }
  return present({ type: 'json_schema', name: name ?? 'answer', description, schema, strict })
}
