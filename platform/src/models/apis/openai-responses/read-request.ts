import type { AssistantMessage, AssistantPart, InputPart, Message, TextPart } from '../../message.ts'
import type { ModelRequest, Tool } from '../../model.ts'
import { array, count, isObject, type JsonObject, object, present, rest, string } from '../../wire/json.ts'
import { readToolArguments } from '../../wire/tool-arguments.ts'
import type { RecordedRequest } from '../../wire/wire.ts'

const api = 'openai-responses'
const known = [
  ...['model', 'instructions', 'input', 'tools', 'tool_choice', 'parallel_tool_calls', 'max_output_tokens'],
  ...['temperature', 'top_p', 'reasoning', 'text', 'store', 'include', 'stream'],
]
const usualInclude = '["reasoning.encrypted_content"]'

export function readResponsesRequest(body: JsonObject): RecordedRequest {
  const { effort, ...moreReasoning } = object(body.reasoning)
  const { format, ...moreText } = object(body.text)
  const output = readOutput(object(format))
  const text = { ...moreText, ...(format && !output && object(format).type !== 'text' ? { format } : {}) }
  const choice = object(body.tool_choice)
  const named = choice.type === 'function' && string(choice.name)
  const hasTools = array(body.tools).length > 0
  const extra = {
    ...rest(body, known),
    ...(body.store === true && { store: true }),
    ...(body.include !== undefined && JSON.stringify(body.include) !== usualInclude && { include: body.include }),
    ...(Object.keys(moreReasoning).length > 0 && { reasoning: moreReasoning }),
    ...(Object.keys(text).length > 0 && { text }),
    ...(body.tool_choice != null &&
      (!hasTools || (isObject(body.tool_choice) && !named)) && { tool_choice: body.tool_choice }),
    ...(body.parallel_tool_calls != null && !hasTools && { parallel_tool_calls: body.parallel_tool_calls }),
  }
  return {
    model: string(body.model) ?? '',
    stream: body.stream === true,
    request: present({
      messages: [
        ...(string(body.instructions)
          ? [{ role: 'system' as const, content: [{ type: 'text' as const, text: body.instructions as string }] }]
          : []),
        ...readInput(body.input),
      ],
      tools: hasTools ? array(body.tools).map((tool) => readTool(object(tool))) : undefined,
      toolChoice: !hasTools ? undefined : named ? { name: named } : (string(body.tool_choice) as 'auto' | undefined),
      parallelToolCalls:
        hasTools && typeof body.parallel_tool_calls === 'boolean' ? body.parallel_tool_calls : undefined,
      maxOutputTokens: count(body.max_output_tokens),
      temperature: body.temperature as number | undefined,
      topP: body.top_p as number | undefined,
      reasoning: string(effort) ? { effort: effort as string } : undefined,
      output,
      extra: Object.keys(extra).length > 0 ? { [api]: extra } : undefined,
    }) as ModelRequest,
  }
}

/** Items that follow one another on the side of the model are one message of ours. */
function readInput(input: unknown): Message[] {
  if (typeof input === 'string') return [{ role: 'user', content: [{ type: 'text', text: input }] }]
  const messages: Message[] = []
  for (const item of array(input).map(object)) {
    const message = readOther(item)
    if (message) {
      messages.push(message)
      continue
    }
    const last = messages.at(-1)
    const parts = readAssistantItem(item)
    if (last?.role === 'assistant') last.content.push(...parts)
    else messages.push({ role: 'assistant', content: parts, stopReason: 'end', origin: { api } })
  }
  for (const message of messages) if (message.role === 'assistant') settle(message)
  return messages
}

function settle(message: AssistantMessage): void {
  if (message.content.some(({ type }) => type === 'tool_call')) message.stopReason = 'tool_calls'
}

function readOther(item: JsonObject): Message | undefined {
  if (item.type === 'function_call_output' || item.type === 'custom_tool_call_output') {
    const custom = item.type === 'custom_tool_call_output' ? { type: item.type } : {}
    const extra = { ...rest(item, ['type', 'call_id', 'output']), ...custom }
    return {
      role: 'tool',
      callId: string(item.call_id) ?? 'call',
      content: readContent(isObject(item.output) ? JSON.stringify(item.output) : item.output),
      ...(Object.keys(extra).length > 0 && { extra: { [api]: extra } }),
    }
  }
  if (item.type !== undefined && item.type !== 'message') return undefined
  const extra = rest(item, ['type', 'role', 'content'])
  const more = extra && { extra: { [api]: extra } }
  if (item.role === 'user') return { role: 'user', content: readContent(item.content), ...more }
  if (item.role !== 'system' && item.role !== 'developer') return undefined
  const content = readContent(item.content).filter((part) => part.type === 'text')
  const developer = item.role === 'developer' ? { extra: { [api]: { ...extra, role: 'developer' } } } : more
  return { role: 'system', content, ...developer }
}

function readContent(content: unknown): InputPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return array(content).map((value) => {
    const part = object(value)
    if (part.type === 'input_text' || part.type === 'text') {
      const extra = rest(part, ['type', 'text'])
      return {
        type: 'text',
        text: String(part.text ?? ''),
        ...(extra && { extra: { [api]: extra } }),
      } satisfies TextPart
    }
    if (part.type !== 'input_image' || !string(part.image_url)) return { type: 'vendor', api, value: part }
    const [, mediaType, data] = /^data:([^;,]*);base64,([\s\S]*)$/.exec(part.image_url as string) ?? []
    const source =
      data === undefined ? { url: part.image_url as string } : { data, mediaType: mediaType || 'image/png' }
    const { detail, ...extra } = rest(part, ['type', 'image_url']) ?? {}
    const more = { ...extra, ...(detail !== undefined && detail !== 'auto' && { detail }) }
    return { type: 'image', ...source, ...(Object.keys(more).length > 0 && { extra: { [api]: more } }) }
  })
}

function readAssistantItem(item: JsonObject): AssistantPart[] {
  const kept = (names: string[], also: JsonObject = {}) => {
    const extra = { ...rest(item, ['type', ...names]), ...also }
    return Object.keys(extra).length > 0 ? { extra: { [api]: extra } } : {}
  }
  switch (item.type) {
    case undefined:
    case 'message': {
      if (typeof item.content === 'string')
        return item.content ? [{ type: 'text', text: item.content, ...kept(['role', 'content']) }] : []
      return array(item.content).map((value) => {
        const part = object(value)
        const annotations = array(part.annotations).length > 0 ? { annotations: part.annotations } : {}
        const text = string(part.text) ?? string(part.refusal) ?? ''
        return { type: 'text', text, ...kept(['role', 'content'], annotations) }
      })
    }
    case 'reasoning':
      if (!string(item.encrypted_content)) return [{ type: 'vendor', api, value: item }]
      return [
        {
          type: 'reasoning',
          text: array(item.summary)
            .map((part) => String(object(part).text ?? ''))
            .join('\n\n'),
          signature: item.encrypted_content as string,
          ...kept(['summary', 'encrypted_content']),
        },
      ]
    case 'function_call':
    case 'custom_tool_call': {
      const custom = item.type === 'custom_tool_call'
      const written = custom
        ? { arguments: { input: item.input ?? '' } }
        : readToolArguments(string(item.arguments) ?? '')
      const [id, name] = [string(item.call_id) ?? 'call', string(item.name) ?? 'unnamed']
      const names = ['call_id', 'name', 'arguments', 'input']
      return [{ type: 'tool_call', id, name, ...written, ...kept(names, custom ? { type: item.type } : {}) }]
    }
    default:
      return [{ type: 'vendor', api, value: item }]
  }
}

function readTool(tool: JsonObject): Tool {
  if (tool.type !== 'function' || !string(tool.name)) return { type: 'vendor', api, value: tool }
  const extra = rest(tool, ['type', 'name', 'description', 'parameters', 'strict'])
  return {
    name: tool.name as string,
    inputSchema: object(tool.parameters),
    strict: tool.strict === true,
    ...present({ description: string(tool.description) }),
    ...(extra && { extra: { [api]: extra } }),
  }
}

function readOutput(format: JsonObject): ModelRequest['output'] {
  if (format.type === 'json_object') return {}
  if (format.type !== 'json_schema') return undefined
  return present({
    name: string(format.name),
    description: string(format.description),
    schema: isObject(format.schema) ? format.schema : undefined,
    strict: typeof format.strict === 'boolean' ? format.strict : undefined,
  })
}
