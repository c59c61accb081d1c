import type { Readable } from 'node:stream'
import { WarrenError } from '../errors.ts'

/**
 * A file may shrink while it is read. Then the connection is broken off: the caller must not take a part for the whole.
 * Nor may it get more, for that would look like the next answer.
 */
export async function* exactly(stream: Readable, length: number): AsyncGenerator<Buffer> {
  let sent = 0
  for await (const chunk of stream) {
    const part = (chunk as Buffer).subarray(0, length - sent)
    sent += part.length
    if (part.length > 0) yield part
    if (sent === length) return
  }
  if (sent < length)
    throw new WarrenError('conflict', `the file became shorter while it was read: ${sent} of ${length} bytes`)
}
