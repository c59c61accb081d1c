import {
  type FieldType,
  isDefault,
  isMessage,
  type Message,
  nameOf,
  type Read,
  type Written,
  withDefaults,
} from './message.ts'

/** Writes a message in the JSON form of protobuf: names in camel case, bytes as base64, int64 as text, defaults left out. */
export function toJson<M extends Message>(of: M, value: Written<M>): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  for (const [name, { type, rule }] of Object.entries(of.fields)) {
    const item = (value as Record<string, unknown>)[name]
    if (item === undefined) continue
    if (rule === 'repeated') {
      if ((item as unknown[]).length > 0) json[name] = (item as unknown[]).map((one) => writeValue(type, one))
    } else if (rule === 'map') {
      if (Object.keys(item as object).length > 0) json[name] = item
    } else if (rule === 'optional' || !isDefault(type, item)) {
      json[name] = writeValue(type, item)
    }
  }
  return json
}

/** Reads the JSON form; names in snake case are taken too, unknown ones passed over. Throws SyntaxError. */
export function fromJson<M extends Message>(of: M, json: unknown): Read<M> {
  return readMessage(of, json, '') as Read<M>
}

function readMessage(of: Message, json: unknown, at: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new SyntaxError(`${at || 'the message'} must be an object`)
  const given = json as Record<string, unknown>
  const read: Record<string, unknown> = {}
  for (const [name, { type, rule }] of Object.entries(of.fields)) {
    const item = own(given, name) ?? own(given, snakeCase(name))
    if (item === undefined || item === null) continue
    const where = at ? `${at}.${name}` : name
    if (rule === 'repeated') {
      if (!Array.isArray(item)) throw new SyntaxError(`${where} must be a list`)
      read[name] = item.map((one) => readValue(type, one, where))
    } else if (rule === 'map') {
      if (typeof item !== 'object' || Array.isArray(item)) throw new SyntaxError(`${where} must be an object`)
      const entries = Object.entries(item as object).map(([key, one]) => [key, readValue('string', one, where)])
      read[name] = Object.fromEntries(entries)
    } else {
      read[name] = readValue(type, item, where)
    }
  }
  return withDefaults(of, read)
}

function own(of: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(of, name) ? of[name] : undefined
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function writeValue(type: FieldType, value: unknown): unknown {
  if (typeof type === 'object') return isMessage(type) ? toJson(type, value as never) : value
  if (type === 'bytes') return (value as Buffer).toString('base64')
  if (type === 'int64') return String(value)
  if (type === 'timestamp') return (value as Date).toISOString()
  return value
}

function readValue(type: FieldType, value: unknown, at: string): unknown {
  const refuse = (rule: string) => new SyntaxError(`${at} must be ${rule}`)
  if (typeof type === 'object') {
    if (isMessage(type)) return readMessage(type, value, at)
    if (typeof value === 'number') return nameOf(type, value)
    if (typeof value === 'string' && Object.hasOwn(type.values, value)) return value
    throw refuse(`one of ${Object.keys(type.values).join(', ')}`)
  }
  switch (type) {
    case 'string':
      if (typeof value !== 'string' || !value.isWellFormed()) throw refuse('well-formed text')
      return value
    case 'bytes':
      if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) throw refuse('base64')
      return Buffer.from(value, 'base64')
    case 'bool':
      if (typeof value !== 'boolean') throw refuse('true or false')
      return value
    case 'double': {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
      if (!Number.isFinite(number)) throw refuse('a number')
      return number
    }
    case 'timestamp': {
      const date = new Date(typeof value === 'string' ? value : Number.NaN)
      if (Number.isNaN(date.getTime())) throw refuse('a time')
      return date
    }
    default: {
      const [least, most] = ranges[type]
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
      if (!Number.isInteger(number) || (number as number) < least || (number as number) > most)
        throw refuse(`a whole number from ${least} to ${most}`)
      return number
    }
  }
}

const ranges = {
  int32: [-0x8000_0000, 0x7fff_ffff],
  uint32: [0, 0xffff_ffff],
  sint32: [-0x8000_0000, 0x7fff_ffff],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const
