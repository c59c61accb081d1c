import { Ajv, type ErrorObject, type Options } from 'ajv'

const formats: Options['formats'] = {
  // What neither PostgreSQL nor execve can take.
  'plain-text': (text: string) => text.isWellFormed() && !text.includes('\0'),
  'date-time': (text: string) => iso8601.test(text) && !Number.isNaN(Date.parse(text)),
}

/** A day, or a day and a time; where it names no zone, as JavaScript reads it. */
const iso8601 = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/i

/** As fastify wants it: what was wrong is a property of the function. */
type Validate = ((data: unknown) => boolean) & { errors?: ErrorObject[] | null }

interface RouteSchema {
  schema: unknown
  httpPart?: string
}

/**
 * Validators for fastify. A body is taken as it is: a number is no string, an unknown field is an error. Queries and
 * paths are text by nature, so there "5" is the number 5.
 */
export function buildValidator(named: Record<string, unknown>): (route: RouteSchema) => Validate {
  const options: Options = {
    strict: false,
    allErrors: false,
    useDefaults: false,
    removeAdditional: false,
    verbose: true,
    formats,
    // Schemas are ours, and a test looks at them: doing so at each start is half of its processor time.
    meta: false,
    validateSchema: false,
  }
  const schemas = Object.values(named) as object[]
  const exact = atFirstUse(() => new Ajv({ ...options, schemas }))
  const coercing = atFirstUse(() => new Ajv({ ...options, schemas, coerceTypes: true }))
  return ({ schema, httpPart }) => {
    // Most routes are not called soon, and there are many.
    const compiled = atFirstUse(() => (httpPart === 'body' ? exact() : coercing()).compile(schema as object))
    const validate: Validate = (data) => {
      const check = compiled()
      const isValid = check(data)
      validate.errors = check.errors ?? null
      return isValid
    }
    return validate
  }
}

function atFirstUse<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

/** One sentence: which field, the rule, the value. */
export function describeViolation(errors: ErrorObject[], part: string): Error {
  // Of several, alternatives that did not match come first and the summary last: the first says most.
  const error = errors[0]!
  const field = fieldName(error.instancePath)
  const where = field ? `${part} field "${field}"` : part === 'body' ? 'the body' : `the ${part}`
  return new Error(`${where} ${rule(error)}`)
}

function rule(error: ErrorObject): string {
  const { keyword, params, parentSchema } = error
  const data = parentSchema?.writeOnly ? unshown : error.data
  switch (keyword) {
    case 'additionalProperties':
      return `must not have the field "${params.additionalProperty}"; known are: ${Object.keys(parentSchema?.properties ?? {}).join(', ')}`
    case 'required':
      return `must have the field "${params.missingProperty}"`
    case 'enum':
      return `must be one of ${params.allowedValues.join(', ')}, not ${shown(data)}`
    case 'format':
      return params.format === 'plain-text'
        ? 'must be well-formed text without NUL characters'
        : `must be a ${params.format}, such as 2026-01-31T12:00:00Z, not ${shown(data)}`
    case 'propertyNames':
      return `must not have the name ${shown(params.propertyName)}`
    case 'pattern':
      return error.propertyName === undefined
        ? `must match ${params.pattern}, not ${shown(data)}`
        : `must not have the name ${shown(error.propertyName)}: names must match ${params.pattern}`
    default:
      return `${error.message ?? 'is not valid'}, not ${shown(data)}`
  }
}

/** `/limits/memoryMb` as `limits.memoryMb`. */
function fieldName(pointer: string): string {
  const names = pointer.split('/').slice(1)
  return names
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.')
    .slice(0, 200)
}

/** In place of a value that nobody may read in an answer or a log. */
const unshown = Symbol('what was sent')

function shown(value: unknown): string {
  if (value === unshown) return 'what was sent, which is not shown'

  // Not by JSON.stringify: what a caller sends may be nested deeper than that can go.
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
