import type { AssistantMessage, ImagePart, InputPart, Message, ToolMessage } from '../../message.ts'
import type { ModelRequest, Tool } from '../../model.ts'
import { type JsonObject, present } from '../../wire/json.ts'
import { pairToolResults } from '../../wire/pair-tool-results.ts'
import { writeToolArguments } from '../../wire/tool-arguments.ts'
import { acceptedId } from '../../wire/tool-call-ids.ts'
import type { ChatVendor } from './vendors.ts'

const api = 'openai-chat'

export function writeChatRequest(
  request: ModelRequest,
  { model, stream, vendor }: { model: string; stream: boolean; vendor: ChatVendor },
): JsonObject {
  const { tools, toolChoice, output } = request
  return present({
    model,
    messages: pairToolResults(request.messages).flatMap((message) => writeMessage(message, vendor)),
    // Some refuse an empty list, and choices without tools.
    ...(tools?.length && {
      tools: tools.flatMap(writeTool),
      tool_choice: writeToolChoice(toolChoice, vendor),
      parallel_tool_calls: request.parallelToolCalls,
    }),
    [vendor.maxTokensField]: request.maxOutputTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stopSequences?.length ? request.stopSequences : undefined,
    response_format: output && writeOutput(output, vendor),
    ...(request.reasoning && writeReasoning(request.reasoning, vendor)),
    ...(stream && { stream: true, stream_options: vendor.streamUsage ? { include_usage: true } : undefined }),
    ...request.extra?.[api],
  })
}

function writeMessage(message: Message, vendor: ChatVendor): JsonObject[] {
  const extra = message.extra?.[api]
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: writeContent(message.content, vendor), ...extra }]
    case 'user':
      return [{ role: 'user', content: writeContent(message.content, vendor), ...extra }]
    case 'assistant':
      return writeAssistant(message, vendor)
    case 'tool':
      return writeToolResult(message, vendor)
  }
}

/** As plain text where it is nothing but one text: some servers know nothing else. */
function writeContent(parts: InputPart[], vendor: ChatVendor): string | JsonObject[] {
  const [only] = parts
  if (parts.length === 0) return ''
  if (parts.length === 1 && only?.type === 'text' && !only.extra?.[api]) return only.text
  return parts.flatMap<JsonObject>((part) => {
    if (part.type === 'vendor') return part.api === api ? part.value : []
    if (part.type === 'text') return { type: 'text', text: part.text, ...part.extra?.[api] }
    return vendor.images ? writeImage(part) : { type: 'text', text: '[an image, which this model cannot see]' }
  })
}

function writeImage({ data, mediaType, url, extra }: ImagePart): JsonObject {
  const address = url ?? `data:${mediaType ?? 'image/png'};base64,${data ?? ''}`
  return { type: 'image_url', image_url: { url: address, ...extra?.[api] } }
}

function writeAssistant(message: AssistantMessage, vendor: ChatVendor): JsonObject[] {
  const own = message.origin.api === api
  const text = message.content.flatMap((part) => (part.type === 'text' ? part.text : []))
  const reasoning = message.content.filter((part) => part.type === 'reasoning')
  const calls = message.content.flatMap((part) => {
    if (part.type !== 'tool_call') return []
    const { type, ...extra } = part.extra?.[api] ?? {}
    const id = acceptedId(part.id, vendor.callIds)
    if (type === 'custom') return { id, type, custom: { name: part.name, input: part.arguments.input ?? '' }, ...extra }
    return {
      id,
      type: 'function',
      function: { name: part.name, arguments: JSON.stringify(writeToolArguments(part)) },
      ...extra,
    }
  })
  const thought = reasoning.map(({ text }) => text).join('')
  const field = own ? ((reasoning[0]?.extra?.[api]?.field as string | undefined) ?? vendor.reasoningBack) : undefined
  const more = own ? message.extra?.[api] : undefined
  if (text.length === 0 && calls.length === 0 && !more && !(field && thought && vendor.reasoningBack)) return []
  return [
    present({
      role: 'assistant',
      content: text.length > 0 ? text.join('') : calls.length > 0 ? null : '',
      [field ?? 'reasoning_content']: field && vendor.reasoningBack && thought ? thought : undefined,
      tool_calls: calls.length > 0 ? calls : undefined,
      ...more,
    }),
  ]
}

/** A result is text only; what else it has is shown by a message of the user that follows. */
function writeToolResult(message: ToolMessage, vendor: ChatVendor): JsonObject[] {
  const text = message.content.flatMap((part) => (part.type === 'text' ? part.text : []))
  const others = message.content.filter((part) => part.type !== 'text')
  const said = text.join('') || (others.length > 0 ? '(see the next message)' : '')
  const content = message.isError && !/error/i.test(said.slice(0, 100)) ? `Error: ${said}` : said
  return [
    { role: 'tool', tool_call_id: acceptedId(message.callId, vendor.callIds), content, ...message.extra?.[api] },
    ...(others.length > 0 ? [{ role: 'user', content: writeContent(others, vendor) }] : []),
  ]
}

function writeTool(tool: Tool): JsonObject {
  if (tool.type === 'vendor') return tool.value
  const { name, description, inputSchema, strict, extra } = tool
  return {
    type: 'function',
    function: present({ name, description, parameters: inputSchema, strict }),
    ...extra?.[api],
  }
}

function writeToolChoice(choice: ModelRequest['toolChoice'], vendor: ChatVendor): unknown {
  if (typeof choice === 'object') return { type: 'function', function: { name: choice.name } }
  return choice === 'required' ? vendor.requiredToolChoice : choice
}

function writeOutput(
  { name, description, schema, strict }: NonNullable<ModelRequest['output']>,
  vendor: ChatVendor,
): JsonObject {
  if (!schema || !vendor.jsonSchema) return { type: 'json_object' }
  return { type: 'json_schema', json_schema: present({ name: name ?? 'answer', description, schema, strict }) }
}

function writeReasoning(
  { effort, budgetTokens }: NonNullable<ModelRequest['reasoning']>,
  vendor: ChatVendor,
): JsonObject {
  const on = effort !== 'none'
  switch (vendor.reasoning) {
    case 'reasoning_effort':
      return present({ reasoning_effort: effort ?? (budgetTokens === undefined ? undefined : 'medium') })
    case 'thinking':
      return { thinking: { type: on ? 'enabled' : 'disabled' } }
    case 'enable_thinking':
      return present({ enable_thinking: on, thinking_budget: on ? budgetTokens : undefined })
    case 'chat_template_kwargs':
      return { chat_template_kwargs: { enable_thinking: on } }
    case 'reasoning':
      return { reasoning: on ? present({ effort, max_tokens: budgetTokens }) : { enabled: false } }
  }
}
