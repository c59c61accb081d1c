/** Keywords whose check takes no longer than the arguments and the schema are long. */
const plain = ['type', 'enum', 'const', 'required', 'minLength', 'maxLength', 'minItems', 'maxItems'] as const
const ofNumbers = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const
const types = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']
const deepest = 16

/**
 * The part of a stranger's JSON Schema that arguments are checked against here: types, names, ranges. References, combinations and
 * patterns can be made to take for ever, so those are left to the server, which checks its arguments anyway.
 */
export function checkedPart(schema: unknown, depth = 0): Record<string, unknown> {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || depth > deepest) return {}
  const given = schema as Record<string, unknown>
  const part: Record<string, unknown> = {}
  for (const name of plain) if (isPlain(name, given[name])) part[name] = given[name]
  for (const name of ofNumbers) if (typeof given[name] === 'number') part[name] = given[name]
  if (isObject(given.properties))
    part.properties = Object.fromEntries(
      Object.entries(given.properties)
        .filter(([name]) => name !== '__proto__')
        .map(([name, value]) => [name, checkedPart(value, depth + 1)]),
    )
  if (isObject(given.items)) part.items = checkedPart(given.items, depth + 1)
  // What else may be there is said beside it, in what is not read here.
  const isClosed = given.additionalProperties === false && part.properties && !given.patternProperties
  if (isClosed) part.additionalProperties = false
  return part
}

function isPlain(name: (typeof plain)[number], value: unknown): boolean {
  switch (name) {
    case 'type':
      return (Array.isArray(value) ? value.length > 0 && new Set(value).size === value.length : true) && isType(value)
    case 'enum':
      return Array.isArray(value) && value.length > 0
    case 'const':
      return value !== undefined
    case 'required':
      return (
        Array.isArray(value) && value.every((one) => typeof one === 'string') && new Set(value).size === value.length
      )
    default:
      return Number.isInteger(value) && (value as number) >= 0
  }
}

function isType(value: unknown): boolean {
  return [value].flat().every((one) => typeof one === 'string' && types.includes(one))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
