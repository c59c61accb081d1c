/** The few kinds of values of which certificates are made, as DER writes them: a tag, a length, the content. */
export function der(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body])
}

export function sequence(...content: Uint8Array[]): Buffer {
  return der(0x30, ...content)
}

export function set(...content: Uint8Array[]): Buffer {
  return der(0x31, ...content)
}

/** A number that is not negative, from its bytes, most significant first. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const rest = first < 0 ? Buffer.from([0]) : bytes.subarray(first)
  return der(0x02, rest[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), rest]) : rest)
}

export const yes = der(0x01, Buffer.from([0xff]))

export function octets(content: Uint8Array): Buffer {
  return der(0x04, content)
}

/** `unused` bits at the end of the last byte say nothing. */
export function bits(content: Uint8Array, unused = 0): Buffer {
  return der(0x03, Buffer.from([unused]), content)
}

export function utf8(text: string): Buffer {
  return der(0x0c, Buffer.from(text))
}

/** An object identifier in its usual spelling, such as 2.5.29.17. */
export function identifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** A moment, to the second: in two forms, before and from 2050 on (RFC 5280, 4.1.2.5). */
export function time(moment: Date): Buffer {
  const text = `${moment.toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`
  return moment.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text))
}

function base128(number: number): number[] {
  const bytes = [number & 0x7f]
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return bytes
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}
