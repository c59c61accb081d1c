import type { AssistantMessage, AssistantPart, InputPart, Message, TextPart } from '../../message.ts'
import type { ModelRequest, Tool } from '../../model.ts'
import { array, count, isObject, type JsonObject, object, present, rest, string } from '../../wire/json.ts'
import { readToolArguments } from '../../wire/tool-arguments.ts'
import type { RecordedRequest } from '../../wire/wire.ts'

const api = 'openai-chat'
const known = [
  ...['model', 'messages', 'tools', 'tool_choice', 'parallel_tool_calls', 'max_tokens', 'max_completion_tokens'],
  ...['temperature', 'top_p', 'stop', 'response_format', 'reasoning_effort', 'stream', 'stream_options'],
]

export function readChatRequest(body: JsonObject): RecordedRequest {
  const stop = typeof body.stop === 'string' ? [body.stop] : (array(body.stop) as string[])
  const hasTools = Array.isArray(body.tools) && body.tools.length > 0
  const choice = object(object(body.tool_choice).function).name
  const output = readOutput(object(body.response_format))
  const format = object(body.response_format).type
  const extra = {
    ...rest(body, known),
    // What means something to the vendor and has no words of ours.
    ...(body.tool_choice != null &&
      (!hasTools || (isObject(body.tool_choice) && !string(choice))) && { tool_choice: body.tool_choice }),
    ...(body.parallel_tool_calls != null && !hasTools && { parallel_tool_calls: body.parallel_tool_calls }),
    ...(format !== undefined && format !== 'text' && !output && { response_format: body.response_format }),
  }
  return {
    model: string(body.model) ?? '',
    stream: body.stream === true,
    request: present({
      messages: array(body.messages).map(object).flatMap(readMessage),
      tools: hasTools ? array(body.tools).map((tool) => readTool(object(tool))) : undefined,
      toolChoice: !hasTools
        ? undefined
        : string(choice)
          ? { name: choice as string }
          : (string(body.tool_choice) as 'auto' | undefined),
      parallelToolCalls:
        hasTools && typeof body.parallel_tool_calls === 'boolean' ? body.parallel_tool_calls : undefined,
      maxOutputTokens: count(body.max_completion_tokens) ?? count(body.max_tokens),
      temperature: body.temperature as number | undefined,
      topP: body.top_p as number | undefined,
      stopSequences: stop.length > 0 ? stop : undefined,
      output,
      reasoning: string(body.reasoning_effort) ? { effort: body.reasoning_effort as string } : undefined,
      extra: Object.keys(extra).length > 0 ? { [api]: extra } : undefined,
    }) as ModelRequest,
  }
}

function readMessage(message: JsonObject): Message[] {
  const extra = (names: string[]) => {
    const fields = rest(message, ['role', 'content', ...names])
    return fields && { extra: { [api]: fields } }
  }
  switch (message.role) {
    case 'system':
    case 'developer': {
      const content = readContent(message.content).filter((part) => part.type === 'text')
      const developer =
        message.role === 'developer' ? { extra: { [api]: { ...extra([])?.extra[api], role: 'developer' } } } : extra([])
      return [{ role: 'system', content, ...developer }]
    }
    case 'assistant':
      return [readAssistant(message)]
    case 'tool':
    case 'function':
      return [
        {
          role: 'tool',
          callId: string(message.tool_call_id) ?? string(message.name) ?? 'call',
          content: readContent(message.content),
          ...extra(['tool_call_id']),
        },
      ]
    default:
      return [{ role: 'user', content: readContent(message.content), ...extra([]) }]
  }
}

function readContent(content: unknown): InputPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return array(content).map((value) => {
    const part = object(value)
    const { type } = part
    if (type === 'text' || type === 'input_text' || type === 'output_text') {
      const extra = rest(part, ['type', 'text'])
      return {
        type: 'text',
        text: String(part.text ?? ''),
        ...(extra && { extra: { [api]: extra } }),
      } satisfies TextPart
    }
    if (type === 'image_url') {
      const image = typeof part.image_url === 'string' ? { url: part.image_url } : object(part.image_url)
      const [, mediaType, data] = /^data:([^;,]*);base64,([\s\S]*)$/.exec(string(image.url) ?? '') ?? []
      const extra = rest(image, ['url'])
      const source =
        data === undefined ? { url: string(image.url) ?? '' } : { data, mediaType: mediaType || 'image/png' }
      return { type: 'image', ...source, ...(extra && { extra: { [api]: extra } }) }
    }
    return { type: 'vendor', api, value: part }
  })
}

function readAssistant(message: JsonObject): AssistantMessage {
  const field = ['reasoning_content', 'reasoning'].find(
    (name) => typeof message[name] === 'string' && message[name] !== '',
  )
  const reasoning: AssistantPart[] = field
    ? [{ type: 'reasoning', text: message[field] as string, extra: { [api]: { field } } }]
    : []
  const calls = array(message.tool_calls).map((value, index): AssistantPart => {
    const call = object(value)
    const fn = object(call.function ?? call.custom)
    const text = typeof fn.arguments === 'string' ? fn.arguments : JSON.stringify(fn.arguments ?? fn.input ?? {})
    const extra = {
      ...rest(call, ['id', 'type', 'function', 'custom', 'index']),
      ...(call.type === 'custom' && { type: 'custom' }),
    }
    const written = call.type === 'custom' ? { arguments: { input: fn.input ?? '' } } : readToolArguments(text)
    return {
      type: 'tool_call',
      id: string(call.id) ?? `call_${index}`,
      name: string(fn.name) ?? 'unnamed',
      ...written,
      ...(Object.keys(extra).length > 0 && { extra: { [api]: extra } }),
    }
  })
  const extra = rest(message, ['role', 'content', 'tool_calls', 'refusal', ...(field ? [field] : [])])
  const refusal = string(message.refusal)
  const content = readContent(message.content).filter((part) => part.type === 'text')
  const text: AssistantPart[] =
    content.length > 1 ? [{ type: 'text', text: content.map((part) => part.text).join('') }] : content
  return {
    role: 'assistant',
    content: [...reasoning, ...text, ...(refusal ? [{ type: 'text' as const, text: refusal }] : []), ...calls],
    stopReason: calls.length > 0 ? 'tool_calls' : 'end',
    origin: { api },
    ...(extra && { extra: { [api]: extra } }),
  }
}

function readTool(tool: JsonObject): Tool {
  const fn = tool.function
  if (!isObject(fn) || !string(fn.name)) return { type: 'vendor', api, value: tool }
  const extra = rest(tool, ['type', 'function'])
  return {
    name: fn.name as string,
    inputSchema: object(fn.parameters),
    ...present({ description: string(fn.description), strict: typeof fn.strict === 'boolean' ? fn.strict : undefined }),
    ...(extra && { extra: { [api]: extra } }),
  }
}

function readOutput(format: JsonObject): ModelRequest['output'] {
  if (format.type === 'json_object') return {}
  if (format.type !== 'json_schema') return undefined
  const { name, description, schema, strict } = object(format.json_schema)
  return present({
    name: string(name),
    schema: isObject(schema) ? schema : undefined,
    strict: typeof strict === 'boolean' ? strict : undefined,
    description: string(description),
  })
}
