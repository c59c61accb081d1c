import { isUtf8 } from 'node:buffer'

export interface TextChunk {
  /** Byte offset of the first byte of `data` in its stream. */
  offset: number
  data: string
  /** Present when the bytes are no UTF-8 and `data` is therefore not the text itself. */
  encoding?: 'base64'
}

/**
 * Turns pieces of a byte stream into JSON-safe text without loss: cut at character boundaries where the bytes are UTF-8,
 * as base64 where they are not. A character that is cut by the end of a piece waits for the next one.
 */
export class Utf8Chunks {
  #rest: { offset: number; bytes: Buffer } | undefined

  push(offset: number, data: Buffer): TextChunk[] {
    const chunks: TextChunk[] = []
    let from = offset
    let bytes = data
    if (this.#rest && this.#rest.offset + this.#rest.bytes.length === offset) {
      from = this.#rest.offset
      bytes = Buffer.concat([this.#rest.bytes, data])
    } else chunks.push(...this.end()) // a gap: what waits will never be completed
    this.#rest = undefined

    const whole = bytes.subarray(0, bytes.length - cutCharacterBytes(bytes))
    if (!isUtf8(whole)) return [...chunks, { offset: from, data: bytes.toString('base64'), encoding: 'base64' }]
    if (whole.length > 0) chunks.push({ offset: from, data: whole.toString('utf8') })
    if (whole.length < bytes.length) {
      // Copied: a slice would keep the whole piece alive.
      this.#rest = { offset: from + whole.length, bytes: Buffer.from(bytes.subarray(whole.length)) }
    }
    return chunks
  }

  /** What still waits when the stream has ended: half a character at most. */
  end(): TextChunk[] {
    const rest = this.#rest
    this.#rest = undefined
    return rest ? [{ offset: rest.offset, data: rest.bytes.toString('base64'), encoding: 'base64' }] : []
  }
}

/** How many bytes at the end begin a character that is not complete: 0 to 3. */
function cutCharacterBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue // inside a character: its first byte lies further ahead
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return length > back ? back : 0
  }
  return 0
}
