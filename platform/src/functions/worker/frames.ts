/**
 * The wire between the platform and a worker inside a sandbox: `u32be length, u8 kind, u32be id, payload`, where the length
 * counts kind, id and payload, and the id is that of a call, 0 for what is about the worker. Programs: worker/programs/.
 */
export const kind = {
  load: 1,
  invoke: 2,
  cancel: 3,
  stepped: 4,
  called: 5,
  room: 6,
  loaded: 10,
  refused: 11,
  result: 12,
  failed: 13,
  head: 14,
  chunk: 15,
  end: 16,
  log: 17,
  step: 18,
  call: 19,
  suspend: 20,
} as const

/** A worker is hostile: what is longer ends it. The largest result and what comes with it fit. */
const mostFrameBytes = 32 * 1024 * 1024
const headBytes = 9

export function frame(frameKind: number, id: number, ...parts: Buffer[]): Buffer[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.allocUnsafe(headBytes)
  head.writeUInt32BE(length + 5, 0)
  head[4] = frameKind
  head.writeUInt32BE(id, 5)
  return [head, ...parts]
}

/** A frame of a JSON head and bytes behind it, in one piece. */
export function headedFrame(frameKind: number, id: number, head: unknown, payload: Buffer): Buffer {
  const text = JSON.stringify(head)
  const length = Buffer.byteLength(text)
  const start = headBytes + 4 + length
  const bytes = Buffer.allocUnsafe(start + payload.length)
  bytes.writeUInt32BE(bytes.length - 4, 0)
  bytes[4] = frameKind
  bytes.writeUInt32BE(id, 5)
  bytes.writeUInt32BE(length, headBytes)
  bytes.write(text, headBytes + 4)
  payload.copy(bytes, start)
  return bytes
}

/** A JSON head with its length, for a payload that goes on with bytes. */
export function jsonHead(value: unknown): Buffer {
  const text = JSON.stringify(value)
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(text))
  bytes.writeUInt32BE(bytes.length - 4, 0)
  bytes.write(text, 4)
  return bytes
}

/** Cuts what comes from a worker into frames. Throws where one is too long. */
export class FrameCutter {
  readonly #take: (frameKind: number, id: number, payload: Buffer) => void
  #parts: Buffer[] = []
  #bytes = 0
  #needed = headBytes

  constructor(take: (frameKind: number, id: number, payload: Buffer) => void) {
    this.#take = take
  }

  push(data: Buffer): void {
    this.#parts.push(data)
    this.#bytes += data.length
    // A long frame comes in many pieces: they are put together once.
    if (this.#bytes < this.#needed) return
    let buffer = this.#parts.length === 1 ? data : Buffer.concat(this.#parts)
    this.#needed = headBytes
    while (buffer.length >= headBytes) {
      const length = buffer.readUInt32BE(0)
      if (length < 5 || length > mostFrameBytes) throw new RangeError(`a worker sent a frame of ${length} bytes`)
      if (buffer.length < 4 + length) {
        this.#needed = 4 + length
        break
      }
      this.#take(buffer[4]!, buffer.readUInt32BE(5), buffer.subarray(headBytes, 4 + length))
      buffer = buffer.subarray(4 + length)
    }
    this.#parts = buffer.length > 0 ? [buffer] : []
    this.#bytes = buffer.length
  }
}
