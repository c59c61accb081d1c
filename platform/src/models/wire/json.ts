/** What a vendor sent: any field may be missing or of another type. */
export type JsonObject = Record<string, unknown>

/** `value` as an object; an empty one where it is none. */
export function object(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function array(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

/** `value` as text; undefined where it is none or empty. */
export function string(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** `value` as a count, also where it comes as digits; undefined where it is none. */
export function count(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number >= 0 ? Math.round(number) : undefined
}

/** The fields of `value` that are there, without those that are undefined: so they do not appear in JSON or comparisons. */
export function present<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as never
}

/** The fields of `value` that are not among `known`; undefined where there are none. */
export function rest(value: JsonObject, known: readonly string[]): JsonObject | undefined {
  const entries = Object.entries(value).filter(([name]) => !known.includes(name))
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}
