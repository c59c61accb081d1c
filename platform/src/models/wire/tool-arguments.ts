import { isObject, type JsonObject } from './json.ts'

interface ToolArguments {
  arguments: JsonObject
  invalidArguments?: string
}

/** The arguments a model wrote. Vendors write none at all as nothing, `null` or `""`, and some encode them twice. */
export function readToolArguments(text: string): ToolArguments {
  const trimmed = text.trim()
  if (trimmed === '') return { arguments: {} }
  // A stream that begins with the empty object it means to replace.
  const value = parse(trimmed) ?? (trimmed.startsWith('{}') ? parse(trimmed.slice(2)) : undefined)
  if (value === undefined) return { arguments: {}, invalidArguments: text }
  if (value.json === null || value.json === '') return { arguments: {} }
  if (isObject(value.json)) {
    const { invalid_json: ours, ...others } = value.json
    const wasInvalid = typeof ours === 'string' && Object.keys(others).length === 0
    return wasInvalid ? { arguments: {}, invalidArguments: ours } : { arguments: value.json }
  }
  const inner = typeof value.json === 'string' ? parse(value.json) : undefined
  return inner && isObject(inner.json) ? { arguments: inner.json } : { arguments: {}, invalidArguments: text }
}

/** As they are sent back. What was no JSON goes back as a JSON object that says so: several vendors refuse anything else. */
export function writeToolArguments(call: ToolArguments): JsonObject {
  return call.invalidArguments === undefined ? call.arguments : { invalid_json: call.invalidArguments }
}

function parse(text: string): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) }
  } catch {
    return undefined
  }
}
