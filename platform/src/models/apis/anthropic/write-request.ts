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

const api = 'anthropic'
const acceptedIds = /^[a-zA-Z0-9_-]{1,64}$/
// The API wants a limit in every request.
const defaultMaxTokens = 8192

export function writeAnthropicRequest(
  request: ModelRequest,
  { model, stream }: { model: string; stream: boolean },
): JsonObject {
  const { tools, reasoning, output, temperature } = request
  const extra = request.extra?.[api]
  const thinks = reasoning !== undefined && reasoning.effort !== 'none'
  const budgeted = reasoning?.budgetTokens !== undefined && thinks
  const system = request.messages
    .slice(0, leadingSystem(request.messages))
    .flatMap(({ content }) => content as TextPart[])
  const outputConfig = {
    ...(thinks && reasoning.effort && { effort: reasoning.effort }),
    ...(output?.schema && { format: { type: 'json_schema', schema: output.schema } }),
    ...(extra?.output_config as JsonObject | undefined),
  }
  return present({
    model,
    system: system.length > 0 ? writeSystem(system) : undefined,
    messages: writeMessages(request.messages.slice(leadingSystem(request.messages))),
    max_tokens: request.maxOutputTokens ?? defaultMaxTokens + (reasoning?.budgetTokens ?? 0),
    // With a budget for thinking it accepts no other temperature than 1, and no forced tool.
    temperature: budgeted && temperature !== 1 ? undefined : temperature,
    top_p: request.topP,
    stop_sequences: request.stopSequences?.length ? request.stopSequences : undefined,
    ...(tools?.length && { tools: tools.map(writeTool), tool_choice: writeToolChoice(request, budgeted) }),
    thinking: reasoning && writeThinking(reasoning),
    stream: stream || undefined,
    ...extra,
    ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
  })
}

function leadingSystem(messages: Message[]): number {
  const first = messages.findIndex(({ role, extra }) => role !== 'system' || extra?.[api]?.role === 'system')
  return first < 0 ? messages.length : first
}

function writeSystem(parts: TextPart[]): string | JsonObject[] {
  const [only] = parts
  if (parts.length === 1 && !only!.extra?.[api]) return only!.text
  return parts.flatMap(({ text, extra }) => (text ? { type: 'text', text, ...extra?.[api] } : []))
}

/** All results of one message's calls must stand in one message, before anything else of the user. */
function writeMessages(messages: Message[]): JsonObject[] {
  const written: { role: string; content: JsonObject[]; results?: boolean }[] = []
  for (const message of pairToolResults(messages)) {
    const last = written.at(-1)
    if (message.role === 'assistant') {
      const content = writeAssistant(message)
      if (content.length > 0) written.push({ role: 'assistant', content })
      continue
    }
    const content = message.role === 'tool' ? [writeToolResult(message)] : writeContent(message.content)
    if (content.length === 0) continue
    if (message.role === 'system')
      written.push({ role: message.extra?.[api]?.role === 'system' ? 'system' : 'user', content })
    else if (last?.results) last.content.push(...content)
    else written.push({ role: 'user', content })
    const now = written.at(-1)!
    now.results = message.role === 'tool'
  }
  return written.map(({ role, content }) => ({ role, content: simple(content) }))
}

/** As plain text where it is nothing but one text. */
function simple(content: JsonObject[]): string | JsonObject[] {
  const [only] = content
  const plain = content.length === 1 && only!.type === 'text' && Object.keys(only!).length === 2
  return plain ? (only!.text as string) : content
}

/** It refuses empty texts. */
function writeContent(parts: InputPart[]): JsonObject[] {
  return parts.flatMap<JsonObject>((part) => {
    if (part.type === 'vendor') return part.api === api ? part.value : []
    if (part.type === 'image') return writeImage(part)
    return part.text === '' ? [] : { type: 'text', text: part.text, ...part.extra?.[api] }
  })
}

function writeImage({ data, mediaType, url, extra }: ImagePart): JsonObject {
  const source = url ? { type: 'url', url } : { type: 'base64', media_type: mediaType ?? 'image/png', data: data ?? '' }
  return { type: 'image', source, ...extra?.[api] }
}

function writeAssistant({ content, origin }: AssistantMessage): JsonObject[] {
  return content.flatMap<JsonObject>((part) => writePart(part, origin.api === api))
}

function writePart(part: AssistantPart, own: boolean): JsonObject | JsonObject[] {
  const extra = own ? part.type !== 'vendor' && part.extra?.[api] : undefined
  switch (part.type) {
    case 'text':
      return part.text === '' ? [] : { type: 'text', text: part.text, ...extra }
    case 'reasoning':
      // What another API wrote has no proof that it is theirs, and would be refused.
      if (!own) return []
      if (part.encrypted) return { type: 'redacted_thinking', data: part.signature, ...extra }
      return { type: 'thinking', thinking: part.text, signature: part.signature ?? '', ...extra }
    case 'tool_call': {
      const id = acceptedId(part.id, acceptedIds)
      return { type: 'tool_use', id, name: part.name, input: writeToolArguments(part), ...extra }
    }
    case 'vendor':
      return part.api === api ? part.value : []
    case 'image':
      return []
  }
}

function writeToolResult({ callId, content, isError, extra }: ToolMessage): JsonObject {
  const parts = writeContent(content)
  return present({
    type: 'tool_result',
    tool_use_id: acceptedId(callId, acceptedIds),
    content: parts.length > 0 ? simple(parts) : undefined,
    is_error: isError,
    ...extra?.[api],
  })
}

function writeTool(tool: Tool): JsonObject {
  if (tool.type === 'vendor') return tool.value
  const { name, description, inputSchema, strict, extra } = tool
  return present({ name, description, input_schema: { type: 'object', ...inputSchema }, strict, ...extra?.[api] })
}

function writeToolChoice({ toolChoice, parallelToolCalls }: ModelRequest, budgeted: boolean): JsonObject | undefined {
  const single = parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: !parallelToolCalls }
  if (toolChoice === 'none') return { type: 'none' }
  if (!budgeted && typeof toolChoice === 'object') return { type: 'tool', name: toolChoice.name, ...single }
  if (!budgeted && toolChoice === 'required') return { type: 'any', ...single }
  return toolChoice === undefined && parallelToolCalls === undefined ? undefined : { type: 'auto', ...single }
}

function writeThinking({ effort, budgetTokens }: NonNullable<ModelRequest['reasoning']>): JsonObject {
  if (effort === 'none') return { type: 'disabled' }
  return budgetTokens === undefined ? { type: 'adaptive' } : { type: 'enabled', budget_tokens: budgetTokens }
}
