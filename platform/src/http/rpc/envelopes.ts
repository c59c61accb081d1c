import { RpcError } from './rpc-error.ts'
import type { Asked } from './wire.ts'

/** Larger messages are refused, bytes. */
export const maxMessageBytes = 16 * 1024 * 1024
/** In the protocol of Connect: the last envelope of a stream, with what went wrong. */
export const endOfStream = 0x02
const headBytes = 5

/** A message in a stream: a byte of flags, its length, itself. */
export function envelope(flags: number, bytes: Buffer): Buffer {
  const head = Buffer.allocUnsafe(headBytes)
  head[0] = flags
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** The messages in a body of envelopes, as they come. */
export async function* readEnvelopes(request: Pick<Asked, 'iterator'>): AsyncGenerator<Buffer, void> {
  const pending = new Pending()
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    pending.add(chunk)
    for (;;) {
      const head = pending.peek(headBytes)
      if (!head) break
      const length = head.readUInt32BE(1)
      if (length > maxMessageBytes) throw tooLarge()
      if (pending.length < headBytes + length) break
      const flags = head[0]!
      const bytes = pending.take(headBytes + length).subarray(headBytes)
      if (flags & endOfStream) return
      if (flags !== 0) throw new RpcError('unimplemented', 'compressed messages are not taken')
      yield bytes
    }
  }
  if (pending.length > 0) throw new RpcError('invalid_argument', 'the stream is cut off')
}

export function tooLarge(): RpcError {
  return new RpcError('resource_exhausted', `a message may have ${maxMessageBytes} bytes at most`)
}

/** Bytes that have come and were not taken yet; put together once, however many pieces they came in. */
class Pending {
  #pieces: Buffer[] = []
  length = 0

  add(piece: Buffer): void {
    this.#pieces.push(piece)
    this.length += piece.length
  }

  /** The first `count` bytes, which stay; undefined while there are not so many. */
  peek(count: number): Buffer | undefined {
    if (this.length < count) return undefined
    const first = this.#pieces[0]!
    return first.length >= count ? first.subarray(0, count) : this.#together().subarray(0, count)
  }

  take(count: number): Buffer {
    const all = this.#together()
    this.#pieces = count < all.length ? [all.subarray(count)] : []
    this.length -= count
    return all.subarray(0, count)
  }

  #together(): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    this.#pieces = [all]
    return all
  }
}
