/** What the first message of a TLS connection says about whom it is for. */
export type ClientHello =
  | { complete: false }
  /** `name` is the server's, where one is named. `encrypted`: the true one is hidden in an encrypted hello. */
  | { complete: true; valid: true; name: string | undefined; encrypted: boolean; offersHttp2: boolean }
  | { complete: true; valid: false }

/** More than any program says first. */
const mostBytes = 65_536
const invalid = { complete: true, valid: false } as const

/** Reads what has arrived so far of a connection that should begin with TLS. A hello may be spread over records. */
export function readClientHello(bytes: Buffer): ClientHello {
  const message: Buffer[] = []
  let length = 0
  for (let at = 0; ; ) {
    if (bytes.length < at + 5) return bytes.length > 0 && bytes[0] !== 22 ? invalid : incomplete(bytes)
    const size = bytes.readUInt16BE(at + 3)
    if (bytes[at] !== 22 || bytes[at + 1] !== 3 || size === 0 || size > 16_640) return invalid
    const part = bytes.subarray(at + 5, at + 5 + size)
    message.push(part)
    length += part.length
    if (length >= 4) {
      const whole = Buffer.concat(message)
      if (whole[0] !== 1) return invalid
      const wanted = 4 + whole.readUIntBE(1, 3)
      if (wanted > mostBytes) return invalid
      if (whole.length >= wanted) return readMessage(whole.subarray(4, wanted))
    }
    if (part.length < size) return incomplete(bytes)
    at += 5 + size
  }
}

function incomplete(bytes: Buffer): ClientHello {
  return bytes.length > mostBytes ? invalid : { complete: false }
}

const serverName = 0
const protocolNames = 16
const encryptedHello = 0xfe0d

function readMessage(body: Buffer): ClientHello {
  try {
    const reader = new Reader(body)
    reader.take(2 + 32) // version and random
    reader.take(reader.number(1)) // session
    reader.take(reader.number(2)) // ciphers
    reader.take(reader.number(1)) // compressions
    let name: string | undefined
    let encrypted = false
    let offersHttp2 = false
    if (reader.left > 0) {
      const extensions = new Reader(reader.take(reader.number(2)))
      const seen = new Set<number>()
      while (extensions.left > 0) {
        const kind = extensions.number(2)
        const value = extensions.take(extensions.number(2))
        // Of two, the server might take the other one.
        if (seen.has(kind)) return invalid
        seen.add(kind)
        if (kind === serverName) name = readServerName(value)
        if (kind === encryptedHello) encrypted = true
        if (kind === protocolNames) offersHttp2 = readProtocolNames(value).includes('h2')
      }
    }
    return { complete: true, valid: true, name, encrypted, offersHttp2 }
  } catch {
    return invalid
  }
}

/** The list may hold one name only, of the one kind there is. */
function readServerName(value: Buffer): string {
  const reader = new Reader(value)
  const list = new Reader(reader.take(reader.number(2)))
  if (reader.left > 0 || list.number(1) !== 0) throw new RangeError('no host name')
  const name = list.take(list.number(2)).toString('latin1')
  if (list.left > 0) throw new RangeError('several names')
  return name
}

function readProtocolNames(value: Buffer): string[] {
  const reader = new Reader(value)
  const list = new Reader(reader.take(reader.number(2)))
  const names: string[] = []
  while (list.left > 0) names.push(list.take(list.number(1)).toString('latin1'))
  return names
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  number(size: number): number {
    return this.take(size).readUIntBE(0, size)
  }

  take(size: number): Buffer {
    if (size > this.left) throw new RangeError('the message is too short')
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }
}
