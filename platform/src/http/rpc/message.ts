/**
 * Messages of protobuf, described by tables in TypeScript: one table gives the type, the JSON form (json.ts) and the
 * binary form (binary.ts). Fields of a `oneof` are written as optional ones, which is how they look in JSON.
 */
export interface Message<F extends Fields = Fields> {
  fields: F
}

export type Fields = Record<string, Field<unknown, unknown>>

export interface Field<Out, In> {
  number: number
  type: FieldType
  rule: 'plain' | 'optional' | 'repeated' | 'map'
  /** Only for the compiler. */
  readonly out?: Out
  readonly in?: In
}

type Scalar = 'string' | 'bytes' | 'bool' | 'int32' | 'uint32' | 'sint32' | 'int64' | 'double' | 'timestamp'

export interface Enumeration<N extends string = string> {
  values: Record<N, number>
}

export type FieldType = Scalar | Enumeration | Message

/** What comes out of reading: plain fields have their default when they were absent. */
export type Read<M> =
  M extends Message<infer F> ? { [K in keyof F]: F[K] extends Field<infer Out, unknown> ? Out : never } : never

/** What goes into writing: everything may be left out. */
export type Written<M> =
  M extends Message<infer F>
    ? { [K in keyof F]?: F[K] extends Field<unknown, infer In> ? In | undefined : never }
    : never

type OutOf<T> = T extends 'string'
  ? string
  : T extends 'bytes'
    ? Buffer
    : T extends 'bool'
      ? boolean
      : T extends 'int32' | 'uint32' | 'sint32' | 'int64' | 'double'
        ? number
        : T extends 'timestamp'
          ? Date
          : T extends Enumeration<infer N>
            ? N
            : Read<T>
type InOf<T> = T extends Message ? Written<T> : OutOf<T>

export function message<F extends Fields>(fields: F): Message<F> {
  return { fields }
}

export function enumeration<N extends string>(values: Record<N, number>): Enumeration<N> {
  return { values }
}

/** With the default of its type when absent; of messages there is none, so they are `optional`. */
export function plain<T extends FieldType>(number: number, type: T): Field<OutOf<T>, InOf<T>> {
  return { number, type, rule: 'plain' }
}

export function optional<T extends FieldType>(number: number, type: T): Field<OutOf<T> | undefined, InOf<T>> {
  return { number, type, rule: 'optional' }
}

export function repeated<T extends FieldType>(number: number, type: T): Field<OutOf<T>[], InOf<T>[]> {
  return { number, type, rule: 'repeated' }
}

/** From text to text, the only kind that is needed. */
export function map(number: number): Field<Record<string, string>, Record<string, string>> {
  return { number, type: 'string', rule: 'map' }
}

export function isMessage(type: FieldType): type is Message {
  return typeof type === 'object' && 'fields' in type
}

/** What a plain field is when it was absent, and what is not written. */
export function defaultOf(type: FieldType): unknown {
  if (typeof type === 'object') return isMessage(type) ? undefined : nameOf(type, 0)
  if (type === 'string') return ''
  if (type === 'bytes') return Buffer.alloc(0)
  if (type === 'bool') return false
  return type === 'timestamp' ? undefined : 0
}

/** Whether a plain field need not be written. */
export function isDefault(type: FieldType, value: unknown): boolean {
  if (type === 'bytes') return (value as Buffer).length === 0
  return value === defaultOf(type)
}

/** The absent fields of a message that has just been read. */
export function withDefaults(of: Message, read: Record<string, unknown>): Record<string, unknown> {
  for (const [name, { type, rule }] of Object.entries(of.fields)) {
    if (read[name] !== undefined) continue
    read[name] = rule === 'repeated' ? [] : rule === 'map' ? {} : rule === 'optional' ? undefined : defaultOf(type)
  }
  return read
}

export function nameOf({ values }: Enumeration, number: number): string {
  const found = Object.entries(values).find(([, value]) => value === number)
  if (!found) throw new SyntaxError(`${number} is none of ${Object.keys(values).join(', ')}`)
  return found[0]
}
