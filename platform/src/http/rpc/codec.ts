import { fromBinary, toBinary } from './binary.ts'
import { fromJson, toJson } from './json.ts'
import type { Message } from './message.ts'
import { RpcError } from './rpc-error.ts'

export type Codec = 'json' | 'proto'

/** Throws `invalid_argument` for bytes that are no such message. */
export function decode(codec: Codec, message: Message, bytes: Buffer): object {
  try {
    return codec === 'json' ? fromJson(message, JSON.parse(bytes.toString() || '{}')) : fromBinary(message, bytes)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError)
      throw new RpcError('invalid_argument', `the message cannot be read: ${error.message}`)
    throw error
  }
}

export function encode(codec: Codec, message: Message, value: object): Buffer {
  return codec === 'json' ? Buffer.from(JSON.stringify(toJson(message, value))) : toBinary(message, value)
}
