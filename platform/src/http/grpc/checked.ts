import type { Static, TSchema } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { SetNetwork } from '../../sandboxes/network.ts'
import { buildValidator, describeViolation } from '../validation.ts'

const validatorOf = buildValidator({ SetNetwork })
const validators = new Map<TSchema, ReturnType<typeof validatorOf>>()

/** `message` as the body of a request of the REST API would be: what was not given is not there. Throws `invalid_request` like there. */
export function checked<T extends TSchema>(schema: T, message: object): Static<T> {
  let validate = validators.get(schema)
  if (!validate) {
    validate = validatorOf({ schema, httpPart: 'body' })
    validators.set(schema, validate)
  }
  const input = given(message)
  if (validate(input)) return input as Static<T>
  throw new WarrenError('invalid_request', describeViolation(validate.errors ?? [], 'message').message)
}

/** Without lists and maps that are empty, which is how absent ones are read. */
function given(message: object): Record<string, unknown> {
  const entries = Object.entries(message).map(([name, value]) => [name, plain(value)] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? value.map(plain) : undefined
  if (typeof value !== 'object' || value === null) return value
  // A message that was given says something even if all of it is left out; a map that is empty does not.
  const inner = given(value)
  return Object.keys(value).length > 0 ? inner : undefined
}
