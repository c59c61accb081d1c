import { parsedJson } from '../../../lib/parsed-json.ts'
import type {
  AssistantMessage,
  AssistantPart,
  ImagePart,
  InputPart,
  Message,
  ToolCallPart,
  ToolMessage,
} from '../../message.ts'
import type { FunctionTool, ModelRequest } from '../../model.ts'
import { isObject, type JsonObject, present } from '../../wire/json.ts'
import { pairToolResults } from '../../wire/pair-tool-results.ts'
import { writeToolArguments } from '../../wire/tool-arguments.ts'

const api = 'gemini'
// Since Gemini 3 calls are refused that it did not sign, unless they carry this, which its documentation gives for the purpose.
const foreignSignature = 'skip_thought_signature_validator'

export function writeGeminiRequest(request: ModelRequest, { model }: { model: string }): JsonObject {
  const { tools, output, reasoning } = request
  const { generationConfig: moreConfig, toolConfig: moreToolConfig, ...extra } = request.extra?.[api] ?? {}
  const system = request.messages.flatMap((message) => (message.role === 'system' ? message.content : []))
  const functions = tools?.filter((tool) => tool.type !== 'vendor') ?? []
  const config = {
    ...present({
      maxOutputTokens: request.maxOutputTokens,
      temperature: request.temperature,
      topP: request.topP,
      stopSequences: request.stopSequences?.length ? request.stopSequences : undefined,
      responseMimeType: output && 'application/json',
      responseJsonSchema: output?.schema,
      thinkingConfig: reasoning && writeThinking(reasoning),
    }),
    ...(moreConfig as JsonObject | undefined),
  }
  const toolConfig = {
    ...(functions.length > 0 && writeToolChoice(request.toolChoice)),
    ...(moreToolConfig as JsonObject | undefined),
  }
  return present({
    systemInstruction:
      system.length > 0 ? { parts: system.map(({ text, extra }) => ({ text, ...extra?.[api] })) } : undefined,
    contents: writeContents(request.messages, !/gemini-[12]\b/.test(model)),
    tools: tools?.length
      ? writeTools(
          tools.flatMap<JsonObject>((tool) => (tool.type === 'vendor' ? tool.value : [])),
          functions,
        )
      : undefined,
    toolConfig: Object.keys(toolConfig).length > 0 ? toolConfig : undefined,
    generationConfig: Object.keys(config).length > 0 ? config : undefined,
    ...extra,
  })
}

/** The results of one message's calls stand together, and alone: their number must be that of the calls. */
function writeContents(messages: Message[], signs: boolean): JsonObject[] {
  const contents: { role: string; parts: JsonObject[]; results?: boolean; after?: JsonObject[] }[] = []
  const calls = new Map<string, ToolCallPart>()
  const flush = () => {
    const after = contents.at(-1)?.after
    if (after?.length) contents.push({ role: 'user', parts: after })
  }
  for (const message of pairToolResults(messages)) {
    if (message.role === 'tool') {
      const last = contents.at(-1)
      const into = last?.results ? last : { role: 'user', parts: [], results: true, after: [] as JsonObject[] }
      if (into !== last) contents.push(into)
      into.parts.push(writeToolResult(message, calls.get(message.callId), signs))
      if (!signs) into.after?.push(...writeParts(message.content.filter(({ type }) => type !== 'text')))
      continue
    }
    flush()
    if (message.role === 'system') continue
    if (message.role === 'assistant')
      for (const part of message.content) if (part.type === 'tool_call') calls.set(part.id, part)
    const parts = message.role === 'assistant' ? writeAssistant(message, signs) : writeParts(message.content)
    if (parts.length > 0) contents.push({ role: message.role === 'assistant' ? 'model' : 'user', parts })
  }
  flush()
  return contents.map(({ role, parts }) => ({ role, parts }))
}

function writeParts(parts: InputPart[]): JsonObject[] {
  return parts.flatMap<JsonObject>((part) => {
    if (part.type === 'vendor') return part.api === api ? part.value : []
    if (part.type === 'image') return writeImage(part)
    return part.text === '' ? [] : { text: part.text, ...part.extra?.[api] }
  })
}

function writeImage({ data, mediaType, url, extra }: ImagePart): JsonObject {
  const more = extra?.[api]
  if (url !== undefined) return { fileData: present({ fileUri: url, mimeType: mediaType }), ...more }
  return { inlineData: { mimeType: mediaType ?? 'image/png', data: data ?? '' }, ...more }
}

function writeAssistant({ content, origin }: AssistantMessage, signs: boolean): JsonObject[] {
  const own = origin.api === api
  const firstCall = content.find(({ type }) => type === 'tool_call')
  return content.flatMap<JsonObject>((part) => writePart(part, own, signs && !own && part === firstCall))
}

function writePart(part: AssistantPart, own: boolean, excuse: boolean): JsonObject | JsonObject[] {
  if (part.type === 'vendor') return part.api === api ? part.value : []
  const proof = own && part.type !== 'image' && part.signature ? { thoughtSignature: part.signature } : {}
  const extra = own ? part.extra?.[api] : undefined
  switch (part.type) {
    case 'text':
      return part.text === '' && !('thoughtSignature' in proof) ? [] : { text: part.text, ...proof, ...extra }
    case 'reasoning':
      return own ? { text: part.text, thought: true, ...proof, ...extra } : []
    case 'image':
      return writeImage(part)
    case 'tool_call': {
      const foreign = excuse ? { thoughtSignature: foreignSignature } : {}
      const { id, ...more } = extra ?? {}
      const functionCall = present({ id, name: part.name, args: writeToolArguments(part) })
      return { functionCall, ...foreign, ...proof, ...more }
    }
  }
}

/** The result of a function is an object. */
function writeToolResult(
  { content, isError, extra }: ToolMessage,
  call: ToolCallPart | undefined,
  parts: boolean,
): JsonObject {
  const text = content.flatMap((part) => (part.type === 'text' ? part.text : [])).join('')
  const value = parsedJson(text)
  const response = isError ? { error: text } : isObject(value) ? value : { output: text }
  const others = parts ? writeParts(content.filter(({ type }) => type !== 'text')) : []
  const functionResponse = present({
    id: call?.extra?.[api]?.id,
    name: call?.name ?? 'unknown',
    response,
    parts: others.length > 0 ? others : undefined,
    ...extra?.[api],
  })
  return { functionResponse }
}

function writeTools(vendor: JsonObject[], functions: FunctionTool[]): JsonObject[] {
  const functionDeclarations = functions.map(({ name, description, inputSchema, extra }) => {
    const { schemaField, ...more } = extra?.[api] ?? {}
    return present({
      name,
      description,
      [(schemaField as string | undefined) ?? 'parametersJsonSchema']:
        Object.keys(inputSchema).length > 0 ? inputSchema : undefined,
      ...more,
    })
  })
  return [...(functions.length > 0 ? [{ functionDeclarations }] : []), ...vendor]
}

function writeToolChoice(choice: ModelRequest['toolChoice']): JsonObject {
  if (choice === undefined) return {}
  const mode = { auto: 'AUTO', none: 'NONE', required: 'ANY' }
  const config =
    typeof choice === 'object' ? { mode: 'ANY', allowedFunctionNames: [choice.name] } : { mode: mode[choice] }
  return { functionCallingConfig: config }
}

function writeThinking({ effort, budgetTokens }: NonNullable<ModelRequest['reasoning']>): JsonObject {
  if (effort === 'none') return { thinkingBudget: 0 }
  return present({
    includeThoughts: true,
    thinkingBudget: budgetTokens,
    thinkingLevel: budgetTokens === undefined ? effort : undefined,
  })
}
