/**
 * The wire format between host and guest agent (docs/guest-protocol.md).
 * A frame is `u32be length, u8 kind, payload`; most payloads are fields: `u8 tag, u32be length, bytes`, repeated.
 */

export interface Frame {
  kind: number
  payload: Buffer
}

export const kind = {
  ping: 0x01,
  exec: 0x02,
  attach: 0x03,
  processes: 0x04,
  signal: 0x05,
  logs: 0x06,
  read: 0x10,
  write: 0x11,
  stat: 0x12,
  list: 0x13,
  mkdir: 0x14,
  move: 0x15,
  remove: 0x16,
  chmod: 0x17,
  chown: 0x18,
  xattr: 0x19,
  watch: 0x1a,
  symlink: 0x1b,
  dial: 0x20,
  ports: 0x21,
  link: 0x22,
  metrics: 0x30,
  configure: 0x31,
  suspend: 0x32,
  environment: 0x33,
  flush: 0x34,
  ok: 0x40,
  started: 0x41,
  stdout: 0x42,
  stderr: 0x43,
  exit: 0x44,
  entry: 0x45,
  end: 0x46,
  log: 0x47,
  data: 0x48,
  event: 0x49,
  synced: 0x4a,
  stdin: 0x50,
  stdinEof: 0x51,
  signalRunning: 0x52,
  resize: 0x53,
  sync: 0x54,
  launch: 0x60,
  vmStatus: 0x70,
  vmPause: 0x71,
  vmResume: 0x72,
  vmSave: 0x73,
  vmConsole: 0x74,
  contextStore: 0x67,
  contextCreate: 0x68,
  contextExecute: 0x69,
  contexts: 0x6a,
  contextRemove: 0x6b,
  contextInterrupt: 0x6c,
  contextResult: 0x6d,
  contextDisplay: 0x6e,
  contextRestart: 0x6f,
  error: 0x7f,
} as const

/** Largest frame either side accepts, in bytes of kind and payload. A guest is hostile: a longer one ends the connection. */
export const maxFrameBytes = 1024 * 1024 + 64

/** Largest piece of file or process data put into one frame. */
export const chunkBytes = 64 * 1024

export type FieldValue = string | number | Buffer | undefined

export function encodeFrame(frameKind: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([encodeHead(frameKind, payload.length), payload])
}

/** What comes before the payload. */
export function encodeHead(frameKind: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(5)
  head.writeUInt32BE(payloadBytes + 1, 0)
  head[4] = frameKind
  return head
}

/** Encodes `[tag, value]` pairs; undefined values are left out, numbers go as decimal text. */
export function encodeFields(fields: readonly (readonly [number, FieldValue])[]): Buffer {
  const parts: Buffer[] = []
  for (const [tag, value] of fields) {
    if (value === undefined) continue
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'utf8')
    const head = Buffer.allocUnsafe(5)
    head[0] = tag
    head.writeUInt32BE(bytes.length, 1)
    parts.push(head, bytes)
  }
  return Buffer.concat(parts)
}

/** Decoded fields. Unknown tags are kept and ignored; a truncated field ends the reading. */
export class Fields {
  readonly #values = new Map<number, Buffer[]>()

  constructor(payload: Buffer) {
    let at = 0
    while (at + 5 <= payload.length) {
      const tag = payload[at] as number
      const length = payload.readUInt32BE(at + 1)
      at += 5
      if (at + length > payload.length) break
      const seen = this.#values.get(tag)
      const value = payload.subarray(at, at + length)
      if (seen) seen.push(value)
      else this.#values.set(tag, [value])
      at += length
    }
  }

  bytes(tag: number): Buffer | undefined {
    return this.#values.get(tag)?.[0]
  }

  text(tag: number): string | undefined {
    return this.bytes(tag)?.toString('utf8')
  }

  list(tag: number): string[] {
    return (this.#values.get(tag) ?? []).map((value) => value.toString('utf8'))
  }

  /** A whole number from 0 on that a double holds exactly, else 0. */
  count(tag: number): number {
    const value = this.number(tag) ?? 0
    return Number.isSafeInteger(value) && value >= 0 ? value : 0
  }

  /** Unix milliseconds that a Date can hold, else 0. */
  time(tag: number): number {
    const value = Math.trunc(this.number(tag) ?? 0)
    return Math.abs(value) <= 8.64e15 ? value : 0
  }

  /** A finite number, else undefined: a guest may send anything. */
  number(tag: number): number | undefined {
    const text = this.text(tag)
    if (text === undefined || text === '') return undefined
    const value = Number(text)
    return Number.isFinite(value) ? value : undefined
  }
}

/**
 * Cuts a byte stream into frames. DATA comes in the pieces in which it arrives, for its frames have no meaning and putting
 * them together again copies every byte of a file. Throws on a frame longer than {@link maxFrameBytes}.
 */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0)
  /** What is still to come of a frame of DATA. */
  #missing = 0
  readonly #rawAfter: number | undefined
  #isRaw = false

  /** What follows a frame of the kind `rawAfter` are no frames, whatever it looks like. */
  constructor(rawAfter?: number) {
    this.#rawAfter = rawAfter
  }

  push(chunk: Buffer): Frame[] {
    let buffer = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const frames: Frame[] = []
    while (!this.#isRaw) {
      if (this.#missing > 0 && buffer.length > 0) {
        const payload = buffer.subarray(0, this.#missing)
        frames.push({ kind: kind.data, payload })
        this.#missing -= payload.length
        buffer = buffer.subarray(payload.length)
      }
      if (buffer.length < 5) break
      const length = buffer.readUInt32BE(0)
      if (length < 1 || length > maxFrameBytes) throw new RangeError(`guest sent a frame of ${length} bytes`)
      if (buffer[4] === kind.data) {
        this.#missing = length - 1
        buffer = buffer.subarray(5)
        continue
      }
      if (buffer.length < 4 + length) break
      frames.push({ kind: buffer[4] as number, payload: buffer.subarray(5, 4 + length) })
      this.#isRaw = buffer[4] === this.#rawAfter
      buffer = buffer.subarray(4 + length)
    }
    this.#pending = buffer
    return frames
  }

  /** Bytes received beyond the last whole frame: what follows a DIAL's OK is raw data. */
  rest(): Buffer {
    const rest = this.#pending
    this.#pending = Buffer.alloc(0)
    return rest
  }
}
