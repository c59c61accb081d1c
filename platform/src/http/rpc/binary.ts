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

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** Writes a message in the binary form of protobuf. */
export function toBinary<M extends Message>(of: M, value: Written<M>): Buffer {
  const parts: Buffer[] = []
  for (const [name, { number, type, rule }] of Object.entries(of.fields)) {
    const item = (value as Record<string, unknown>)[name]
    if (item === undefined) continue
    if (rule === 'repeated') for (const one of item as unknown[]) parts.push(...writeField(number, type, one))
    else if (rule === 'map')
      for (const [key, one] of Object.entries(item as Record<string, string>))
        parts.push(
          ...writeBytes(number, Buffer.concat([...writeField(1, 'string', key), ...writeField(2, 'string', one)])),
        )
    else if (rule === 'optional' || !isDefault(type, item)) parts.push(...writeField(number, type, item))
  }
  return Buffer.concat(parts)
}

/** Fields of a message, with those inside: a few bytes are one, and each costs a moment in which nothing else is done. */
const mostFields = 20_000

/** Reads the binary form, passing over unknown fields. Throws SyntaxError. */
export function fromBinary<M extends Message>(of: M, bytes: Buffer): Read<M> {
  return readMessage(of, bytes, { fields: 0 }) as Read<M>
}

function readMessage(of: Message, bytes: Buffer, sum: { fields: number }): Record<string, unknown> {
  const read: Record<string, unknown> = {}
  const fields = new Map(Object.entries(of.fields).map(([name, field]) => [field.number, { name, ...field }]))
  for (const { number, value } of entries(bytes)) {
    if (++sum.fields > mostFields) throw new SyntaxError(`a message has at most ${mostFields} fields`)
    const found = fields.get(number)
    if (!found) continue
    const { name, type, rule } = found
    if (rule === 'map') {
      const entry = [...entries(bytesOf(value))]
      const text = (part: number) =>
        readValue('string', entry.find((one) => one.number === part)?.value ?? Buffer.alloc(0)) as string
      read[name] ??= {}
      // Not by assignment, to which one name means something else.
      const own = { value: text(2), enumerable: true, writable: true, configurable: true }
      Object.defineProperty(read[name], text(1), own)
    } else if (rule === 'repeated') {
      read[name] ??= []
      ;(read[name] as unknown[]).push(readValue(type, value, sum))
    } else {
      read[name] = readValue(type, value, sum)
    }
  }
  return withDefaults(of, read)
}

function writeField(number: number, type: FieldType, value: unknown): Buffer[] {
  if (typeof type === 'object') {
    if (isMessage(type)) return writeBytes(number, toBinary(type, value as never))
    return writeVarint(number, BigInt(type.values[value as string] ?? 0))
  }
  switch (type) {
    case 'string':
      return writeBytes(number, Buffer.from(value as string))
    case 'bytes':
      return writeBytes(number, value as Buffer)
    case 'bool':
      return writeVarint(number, value ? 1n : 0n)
    case 'double': {
      const bytes = Buffer.allocUnsafe(8)
      bytes.writeDoubleLE(value as number)
      return [varint(BigInt((number << 3) | wire.fixed64)), bytes]
    }
    case 'sint32':
      return writeVarint(number, BigInt((value as number) >= 0 ? 2 * (value as number) : -2 * (value as number) - 1))
    case 'timestamp': {
      const ms = (value as Date).getTime()
      const seconds = Math.floor(ms / 1000)
      const nanos = BigInt((ms - seconds * 1000) * 1_000_000)
      return writeBytes(number, Buffer.concat([...writeVarint(1, BigInt(seconds)), ...writeVarint(2, nanos)]))
    }
    default:
      return writeVarint(number, BigInt(value as number))
  }
}

function readValue(type: FieldType, value: bigint | Buffer, sum = { fields: 0 }): unknown {
  if (typeof type === 'object')
    return isMessage(type)
      ? readMessage(type, bytesOf(value), sum)
      : nameOf(type, Number(BigInt.asIntN(32, numberOf(value))))
  switch (type) {
    case 'string': {
      const text = bytesOf(value).toString()
      if (!Buffer.from(text).equals(bytesOf(value))) throw new SyntaxError('a text is not UTF-8')
      return text
    }
    case 'bytes':
      return bytesOf(value)
    case 'bool':
      return numberOf(value) !== 0n
    case 'uint32':
      return Number(BigInt.asUintN(32, numberOf(value)))
    case 'sint32': {
      const zigzag = BigInt.asUintN(32, numberOf(value))
      return Number(zigzag & 1n ? -(zigzag + 1n) / 2n : zigzag / 2n)
    }
    case 'int32':
      return Number(BigInt.asIntN(32, numberOf(value)))
    case 'int64':
      return Number(BigInt.asIntN(64, numberOf(value)))
    case 'double':
      if (bytesOf(value).length !== 8) throw new SyntaxError('a field has another type than expected')
      return bytesOf(value).readDoubleLE()
    case 'timestamp': {
      const parts = [...entries(bytesOf(value))]
      const part = (number: number) =>
        BigInt.asIntN(64, numberOf(parts.find((one) => one.number === number)?.value ?? 0n))
      return new Date(Number(part(1)) * 1000 + Number(part(2)) / 1_000_000)
    }
  }
}

function* entries(bytes: Buffer): Generator<{ number: number; value: bigint | Buffer }> {
  let at = 0
  while (at < bytes.length) {
    const [key, afterKey] = readVarint(bytes, at)
    const number = Number(key >> 3n)
    const form = Number(key & 7n)
    at = afterKey
    if (form === wire.varint) {
      const [value, after] = readVarint(bytes, at)
      yield { number, value }
      at = after
      continue
    }
    let length: number = form === wire.fixed64 ? 8 : 4
    if (form === wire.bytes) {
      const [announced, after] = readVarint(bytes, at)
      length = Number(announced)
      at = after
    } else if (form !== wire.fixed64 && form !== wire.fixed32) throw new SyntaxError(`wire type ${form} is not known`)
    if (at + length > bytes.length) throw new SyntaxError('the message is cut off')
    yield { number, value: bytes.subarray(at, at + length) }
    at += length
  }
}

function readVarint(bytes: Buffer, start: number): [value: bigint, after: number] {
  let value = 0n
  for (let at = start; at < bytes.length && at < start + 10; at++) {
    const byte = bytes[at]!
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start))
    if (byte < 0x80) return [value, at + 1]
  }
  throw new SyntaxError('the message is cut off')
}

function writeVarint(number: number, value: bigint): Buffer[] {
  return [varint(BigInt(number << 3)), varint(BigInt.asUintN(64, value))]
}

function writeBytes(number: number, value: Buffer): Buffer[] {
  return [varint(BigInt((number << 3) | wire.bytes)), varint(BigInt(value.length)), value]
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}

function bytesOf(value: bigint | Buffer): Buffer {
  if (Buffer.isBuffer(value)) return value
  throw new SyntaxError('a field has another type than expected')
}

function numberOf(value: bigint | Buffer): bigint {
  if (typeof value === 'bigint') return value
  throw new SyntaxError('a field has another type than expected')
}
