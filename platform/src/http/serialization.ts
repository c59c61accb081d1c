import fastJson, { type AnySchema, type Schema } from 'fast-json-stringify'

/**
 * Serialisers for fastify, each made when an answer of its kind is sent for the first time and from no more than the named
 * schemas that it refers to. To make all of them at start, each with all names, took a second for every twenty routes.
 */
export function buildSerializer(
  named: Record<string, unknown>,
): (route: { schema: unknown }) => (answer: unknown) => string {
  return ({ schema }) => {
    let serialize: ((answer: unknown) => string) | undefined
    const texts = new WeakMap<object, string>()
    return (answer) => {
      serialize ??= fastJson(schema as AnySchema, { schema: referredTo(schema, named) })
      if (!isLasting(answer)) return serialize(answer)
      const known = texts.get(answer)
      if (known !== undefined) return known
      const text = serialize(answer)
      texts.set(answer, text)
      return text
    }
  }
}

const lasting = new WeakSet<object>()

/** Says of an answer that it and what is in it never change: whoever gives it again is sent the same text. */
export function lastingAnswer<T extends object>(answer: T): T {
  lasting.add(answer)
  return answer
}

function isLasting(answer: unknown): answer is object {
  return typeof answer === 'object' && answer !== null && lasting.has(answer)
}

/** The named schemas that `schema` refers to, and those that these refer to. */
function referredTo(schema: unknown, named: Record<string, unknown>): Record<string, Schema> {
  const found: Record<string, Schema> = {}
  const own = (schema as { $id?: string }).$id
  const waiting = [schema]
  while (waiting.length > 0) {
    for (const name of namesIn(waiting.pop())) {
      if (name === own || name in found || !(name in named)) continue
      found[name] = named[name] as Schema
      waiting.push(named[name])
    }
  }
  return found
}

function namesIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([key, value]) =>
    key === '$ref' && typeof value === 'string' ? [value.split('#')[0]!] : namesIn(value),
  )
}
