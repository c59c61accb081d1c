import { parsedJson } from '../../../lib/parsed-json.ts'
import type { AssistantPart, InputPart, Message, ToolCallPart } from '../../message.ts'
import type { ModelRequest, Tool } from '../../model.ts'
import { array, count, isObject, type JsonObject, object, present, rest, string } from '../../wire/json.ts'
import type { RecordedRequest } from '../../wire/wire.ts'

const api = 'gemini'
const known = ['model', 'systemInstruction', 'contents', 'tools', 'toolConfig', 'generationConfig']
const knownConfig = [
  'maxOutputTokens',
  'temperature',
  'topP',
  'stopSequences',
  'responseMimeType',
  'responseJsonSchema',
  'thinkingConfig',
]

/** The model stands in the address, not in the body. */
export function readGeminiRequest(recorded: JsonObject): RecordedRequest {
  const body = camelCased(recorded)
  const config = object(body.generationConfig)
  const system = object(body.systemInstruction)
  const choice = readToolChoice(object(object(body.toolConfig).functionCallingConfig))
  const thinking = readThinking(object(config.thinkingConfig))
  const output = readOutput(config)
  const moreConfig = {
    ...rest(config, knownConfig),
    ...(!output &&
      present({ responseMimeType: config.responseMimeType, responseJsonSchema: config.responseJsonSchema })),
    ...(!thinking && present({ thinkingConfig: config.thinkingConfig })),
  }
  const moreToolConfig = choice ? rest(object(body.toolConfig), ['functionCallingConfig']) : object(body.toolConfig)
  const extra = {
    ...rest(body, known),
    ...(Object.keys(moreConfig).length > 0 && { generationConfig: moreConfig }),
    ...(moreToolConfig && Object.keys(moreToolConfig).length > 0 && { toolConfig: moreToolConfig }),
  }
  const instructions =
    typeof body.systemInstruction === 'string'
      ? [{ text: body.systemInstruction }]
      : array(system.parts ?? (system.text ? [system] : []))
  const tools = array(body.tools).map(object).flatMap(readTools)
  return {
    model: string(body.model) ?? '',
    stream: false,
    request: present({
      messages: [
        ...(instructions.length > 0
          ? [
              {
                role: 'system',
                content: instructions
                  .map(object)
                  .flatMap((part) => readPart(part))
                  .filter((part) => part.type === 'text'),
              } as Message,
            ]
          : []),
        ...readContents(body.contents),
      ],
      tools: tools.length > 0 ? tools : undefined,
      toolChoice: choice,
      maxOutputTokens: count(config.maxOutputTokens),
      temperature: config.temperature as number | undefined,
      topP: config.topP as number | undefined,
      stopSequences: array(config.stopSequences).length > 0 ? (config.stopSequences as string[]) : undefined,
      output,
      reasoning: thinking,
      extra: Object.keys(extra).length > 0 ? { [api]: extra } : undefined,
    }) as ModelRequest,
  }
}

function readContents(value: unknown): Message[] {
  if (typeof value === 'string') return [{ role: 'user', content: [{ type: 'text', text: value }] }]
  const messages: Message[] = []
  let waiting: ToolCallPart[] = []
  let calls = 0
  for (const content of (Array.isArray(value) ? value : [value]).map(object)) {
    const parts = array(content.parts).map(object)
    if (content.role === 'model') {
      const read = parts.flatMap((part) => readModelPart(part, () => `call_${calls++}`))
      waiting = read.filter((part) => part.type === 'tool_call')
      messages.push({
        role: 'assistant',
        content: read,
        stopReason: waiting.length > 0 ? 'tool_calls' : 'end',
        origin: { api },
      })
      continue
    }
    for (const { functionResponse } of parts) {
      if (!isObject(functionResponse)) continue
      const { message, rest } = readToolResult(functionResponse, waiting)
      waiting = rest
      messages.push(message)
    }
    const others = parts
      .filter(({ functionResponse }) => functionResponse === undefined)
      .flatMap((part) => readPart(part))
    if (others.length > 0) messages.push({ role: 'user', content: others })
  }
  return messages
}

function readModelPart(part: JsonObject, newId: () => string): AssistantPart[] {
  const { text, thought, thoughtSignature, functionCall: call, ...more } = part
  const signature = string(thoughtSignature)
  const proof = present({ signature })
  const kept = (also: JsonObject = {}) => {
    const extra = { ...more, ...also }
    return Object.keys(extra).length > 0 ? { extra: { [api]: extra } } : {}
  }
  if (isObject(call)) {
    const id = string(call.id)
    const fields = { id: id ?? newId(), name: string(call.name) ?? 'unnamed', arguments: object(call.args) }
    return [{ type: 'tool_call', ...fields, ...proof, ...kept(id ? { id } : {}) }]
  }
  if (typeof text === 'string') return [{ type: thought === true ? 'reasoning' : 'text', text, ...proof, ...kept() }]
  return readPart(part)
}

function readPart(part: JsonObject): InputPart[] {
  const { text, inlineData, fileData, ...more } = part
  const kept = Object.keys(more).length > 0 ? { extra: { [api]: more } } : {}
  if (typeof text === 'string') return [{ type: 'text', text, ...kept }]
  const [inline, file] = [object(inlineData), object(fileData)]
  if (string(inline.mimeType)?.startsWith('image/') && string(inline.data) && !rest(inline, ['mimeType', 'data']))
    return [{ type: 'image', data: inline.data as string, mediaType: inline.mimeType as string, ...kept }]
  if (string(file.mimeType)?.startsWith('image/') && string(file.fileUri) && !rest(file, ['mimeType', 'fileUri']))
    return [{ type: 'image', url: file.fileUri as string, mediaType: file.mimeType as string, ...kept }]
  return [{ type: 'vendor', api, value: part }]
}

/** It belongs to the call of its id, else to the next of its name, else to the next. */
function readToolResult(result: JsonObject, waiting: ToolCallPart[]): { message: Message; rest: ToolCallPart[] } {
  const id = string(result.id)
  const call =
    waiting.find((one) => id !== undefined && one.id === id) ??
    waiting.find(({ name }) => name === result.name) ??
    waiting[0]
  const response = object(result.response)
  const only = Object.keys(response).length === 1
  const isError = only && typeof response.error === 'string'
  const text = isError
    ? response.error
    : only && typeof response.output === 'string' && !isObject(parsedJson(response.output))
      ? response.output
      : JSON.stringify(response)
  const own = id !== undefined && id !== call?.id ? { id } : {}
  const extra = { ...rest(result, ['id', 'name', 'response', 'parts']), ...own }
  const content: InputPart[] = [
    { type: 'text', text: text as string },
    ...array(result.parts).map(object).flatMap(readPart),
  ]
  return {
    message: {
      role: 'tool',
      callId: call?.id ?? id ?? `call_of_${string(result.name) ?? 'nothing'}`,
      content,
      ...(isError && { isError }),
      ...(Object.keys(extra).length > 0 && { extra: { [api]: extra } }),
    },
    rest: waiting.filter((one) => one !== call),
  }
}

function readTools(tool: JsonObject): Tool[] {
  const { functionDeclarations, ...others } = tool
  const functions = array(functionDeclarations).map((value): Tool => {
    const declared = object(value)
    const schemaField =
      isObject(declared.parametersJsonSchema) || !declared.parameters ? {} : { schemaField: 'parameters' }
    const extra = { ...rest(declared, ['name', 'description', 'parameters', 'parametersJsonSchema']), ...schemaField }
    return {
      name: string(declared.name) ?? 'unnamed',
      inputSchema: object(declared.parametersJsonSchema ?? declared.parameters),
      ...present({ description: string(declared.description) }),
      ...(Object.keys(extra).length > 0 && { extra: { [api]: extra } }),
    }
  })
  return [
    ...functions,
    ...(Object.keys(others).length > 0 ? [{ type: 'vendor' as const, api: 'gemini' as const, value: others }] : []),
  ]
}

/** Undefined where it says more than we have words for. */
function readToolChoice(config: JsonObject): ModelRequest['toolChoice'] {
  const names = array(config.allowedFunctionNames)
  if (rest(config, ['mode', 'allowedFunctionNames'])) return undefined
  if (config.mode === 'ANY' && names.length === 1) return { name: String(names[0]) }
  if (names.length > 0) return undefined
  const choices: Record<string, 'auto' | 'none' | 'required'> = { AUTO: 'auto', NONE: 'none', ANY: 'required' }
  return choices[String(config.mode)]
}

function readThinking(config: JsonObject): ModelRequest['reasoning'] {
  const { includeThoughts, thinkingBudget, thinkingLevel, ...more } = config
  if (Object.keys(more).length > 0) return undefined
  if (thinkingBudget === 0 && includeThoughts === undefined && thinkingLevel === undefined) return { effort: 'none' }
  if (includeThoughts !== true) return undefined
  if (typeof thinkingBudget === 'number' && thinkingBudget > 0 && thinkingLevel === undefined)
    return { budgetTokens: thinkingBudget }
  return thinkingBudget === undefined && typeof thinkingLevel === 'string' ? { effort: thinkingLevel } : undefined
}

function readOutput({ responseMimeType, responseJsonSchema }: JsonObject): ModelRequest['output'] {
  if (responseMimeType !== 'application/json') return undefined
  return isObject(responseJsonSchema) ? { schema: responseJsonSchema } : {}
}

/** Both spellings are accepted there. What a program or a schema says is left as it is. */
function camelCased(value: JsonObject): JsonObject {
  const verbatim = [
    'args',
    'response',
    'parameters',
    'parametersJsonSchema',
    'parameters_json_schema',
    'responseJsonSchema',
    'responseSchema',
    'response_schema',
    'response_json_schema',
    'labels',
  ]
  const convert = (field: unknown): unknown => {
    if (Array.isArray(field)) return field.map(convert)
    return isObject(field) ? camelCased(field) : field
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      verbatim.includes(name) ? field : convert(field),
    ]),
  )
}
