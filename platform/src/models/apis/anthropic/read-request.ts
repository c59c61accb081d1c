import type { AssistantMessage, AssistantPart, InputPart, Message, TextPart } from '../../message.ts'
import type { ModelRequest, Tool } from '../../model.ts'
import { array, count, isObject, type JsonObject, object, present, rest, string } from '../../wire/json.ts'
import { readToolArguments } from '../../wire/tool-arguments.ts'
import type { RecordedRequest } from '../../wire/wire.ts'

const api = 'anthropic'
const known = [
  ...['model', 'messages', 'system', 'max_tokens', 'temperature', 'top_p', 'stop_sequences', 'tools', 'tool_choice'],
  ...['thinking', 'output_config', 'stream'],
]

export function readAnthropicRequest(body: JsonObject): RecordedRequest {
  const system = readContent(body.system).filter((part) => part.type === 'text')
  const choice = object(body.tool_choice)
  const { reasoning, output, extra: kept } = readThinking(body)
  const extra = {
    ...rest(body, known),
    ...kept,
    ...(body.tool_choice && !array(body.tools).length ? { tool_choice: choice } : {}),
  }
  return {
    model: string(body.model) ?? '',
    stream: body.stream === true,
    request: present({
      messages: [
        ...(system.length > 0 ? [{ role: 'system' as const, content: system }] : []),
        ...array(body.messages).map(object).flatMap(readMessage),
      ],
      tools: array(body.tools).length > 0 ? array(body.tools).map((tool) => readTool(object(tool))) : undefined,
      toolChoice: readToolChoice(choice),
      parallelToolCalls:
        typeof choice.disable_parallel_tool_use === 'boolean' ? !choice.disable_parallel_tool_use : undefined,
      maxOutputTokens: count(body.max_tokens),
      temperature: body.temperature as number | undefined,
      topP: body.top_p as number | undefined,
      stopSequences: array(body.stop_sequences).length > 0 ? (body.stop_sequences as string[]) : undefined,
      reasoning,
      output,
      extra: Object.keys(extra).length > 0 ? { [api]: extra } : undefined,
    }) as ModelRequest,
  }
}

function readThinking(body: JsonObject): Pick<ModelRequest, 'reasoning' | 'output'> & { extra: JsonObject } {
  const thinking = object(body.thinking)
  const { effort, format, ...config } = object(body.output_config)
  const schema = object(object(format).schema)
  const output = Object.keys(schema).length > 0 ? { schema } : undefined
  const keep = (more: JsonObject) => {
    const all = { ...config, ...more, ...(format && !output ? { format } : {}) }
    return Object.keys(all).length > 0 ? { output_config: all } : {}
  }
  const said = present({ output })
  const only = (...names: string[]) => Object.keys(thinking).every((name) => names.includes(name))
  if (thinking.type === 'disabled' && only('type'))
    return { reasoning: { effort: 'none' }, ...said, extra: keep(present({ effort })) }
  if (thinking.type === 'enabled' && only('type', 'budget_tokens') && count(thinking.budget_tokens) !== undefined)
    return { reasoning: { budgetTokens: count(thinking.budget_tokens)! }, ...said, extra: keep(present({ effort })) }
  if (thinking.type === 'adaptive' && only('type') && string(effort))
    return { reasoning: { effort: effort as string }, ...said, extra: keep({}) }
  return { ...said, extra: { ...(isObject(body.thinking) && { thinking }), ...keep(present({ effort })) } }
}

/** One of their user messages may hold results and words: ours are a message each. */
function readMessage(message: JsonObject): Message[] {
  const blocks = typeof message.content === 'string' ? [] : array(message.content).map(object)
  if (message.role === 'assistant') return [readAssistant(message.content)]
  if (message.role === 'system') {
    const content = readContent(message.content).filter((part) => part.type === 'text')
    return [{ role: 'system', content, extra: { [api]: { role: 'system' } } }]
  }
  const messages: Message[] = blocks
    .filter(({ type }) => type === 'tool_result')
    .map((block) => {
      const extra = rest(block, ['type', 'tool_use_id', 'content', 'is_error'])
      return {
        role: 'tool',
        callId: string(block.tool_use_id) ?? 'call',
        content: readContent(block.content),
        ...(typeof block.is_error === 'boolean' && { isError: block.is_error }),
        ...(extra && { extra: { [api]: extra } }),
      }
    })
  const words =
    typeof message.content === 'string' ? message.content : blocks.filter(({ type }) => type !== 'tool_result')
  if (words.length > 0) messages.push({ role: 'user', content: readContent(words) })
  return messages
}

function readContent(content: unknown): InputPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return array(content).map((value) => {
    const block = object(value)
    if (block.type === 'text') return readText(block)
    const source = object(block.source)
    const extra = rest(block, ['type', 'source'])
    const more = extra && { extra: { [api]: extra } }
    if (block.type === 'image' && source.type === 'base64')
      return {
        type: 'image',
        data: String(source.data ?? ''),
        mediaType: string(source.media_type) ?? 'image/png',
        ...more,
      }
    if (block.type === 'image' && source.type === 'url')
      return { type: 'image', url: String(source.url ?? ''), ...more }
    return { type: 'vendor', api, value: block }
  })
}

function readText(block: JsonObject): TextPart {
  const extra = rest(block, ['type', 'text'])
  return { type: 'text', text: String(block.text ?? ''), ...(extra && { extra: { [api]: extra } }) }
}

function readAssistant(content: unknown): AssistantMessage {
  const blocks =
    typeof content === 'string' ? (content ? [{ type: 'text', text: content }] : []) : array(content).map(object)
  const parts = blocks.map((block: JsonObject): AssistantPart => {
    const { type } = block
    const more = (known: string[]) => {
      const extra = rest(block, ['type', ...known])
      return extra && { extra: { [api]: extra } }
    }
    if (type === 'text') return readText(block)
    if (type === 'thinking')
      return {
        type: 'reasoning',
        text: String(block.thinking ?? ''),
        ...present({ signature: string(block.signature) }),
        ...more(['thinking', 'signature']),
      }
    if (type === 'redacted_thinking')
      return { type: 'reasoning', text: '', signature: String(block.data ?? ''), encrypted: true, ...more(['data']) }
    if (type === 'tool_use') {
      const input = isObject(block.input) ? { arguments: block.input } : readToolArguments(String(block.input ?? ''))
      const [id, name] = [string(block.id) ?? 'call', string(block.name) ?? 'unnamed']
      return { type: 'tool_call', id, name, ...input, ...more(['id', 'name', 'input']) }
    }
    return { type: 'vendor', api, value: block }
  })
  const calls = parts.some(({ type }) => type === 'tool_call')
  return { role: 'assistant', content: parts, stopReason: calls ? 'tool_calls' : 'end', origin: { api } }
}

function readTool(tool: JsonObject): Tool {
  if (!isObject(tool.input_schema) || !string(tool.name)) return { type: 'vendor', api, value: tool }
  const extra = rest(tool, ['name', 'description', 'input_schema', 'strict'])
  return {
    name: tool.name as string,
    inputSchema: { type: 'object', ...tool.input_schema },
    ...present({
      description: string(tool.description),
      strict: typeof tool.strict === 'boolean' ? tool.strict : undefined,
    }),
    ...(extra && { extra: { [api]: extra } }),
  }
}

function readToolChoice({ type, name }: JsonObject): ModelRequest['toolChoice'] {
  if (type === 'tool') return { name: String(name ?? '') }
  if (type === 'any') return 'required'
  return type === 'auto' || type === 'none' ? type : undefined
}
