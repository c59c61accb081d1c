import type { IncomingMessage, ServerResponse } from 'node:http'
import { inTime } from '../../lib/in-time.ts'
import { chooseWire } from './choose-wire.ts'
import { decode } from './codec.ts'
import type { Procedure } from './procedure.ts'
import { RpcError } from './rpc-error.ts'
import type { Asked } from './wire.ts'

/** The beginning of a call. */
interface Ahead {
  /** Its first message; undefined where there is none that can be read. */
  message: object | undefined
  /** What was read to find out. */
  head: Buffer
  /** The whole request, for who reads it after all. */
  request: Asked
}

/**
 * Reads the first message of a call before it is decided who serves it; with `whole` also that nothing comes after it, so that all of the
 * request is in `head` where a message is found. Throws where it does not come in time.
 */
export async function lookAhead(
  procedure: Pick<Procedure<never>, 'kind' | 'input'>,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  { patienceMs, whole = false }: { patienceMs: number; whole?: boolean },
): Promise<Ahead> {
  const pieces: Buffer[] = []
  const { headers, httpVersionMajor } = request
  const recorded = { headers, httpVersionMajor, iterator: () => recording(request, pieces) }
  const wire = chooseWire({ request: recorded, response }, { streams: procedure.kind !== 'unary', grpc: true })
  const late = () => new RpcError('deadline_exceeded', 'the message did not arrive in time')
  let message: object | undefined
  if (wire) {
    const messages = wire.messages()[Symbol.asyncIterator]()
    const first = (whole ? onlyOne(messages) : messages.next()).catch(() => undefined)
    // Who sends a stream may take their time, as where it is served.
    const found = procedure.kind === 'client-stream' ? await first : await inTime(first, patienceMs, late)
    await messages.return?.()
    message = found?.done === false ? readable(() => decode(wire.codec, procedure.input, found.value)) : undefined
  }
  const head = Buffer.concat(pieces)
  return { message, head, request: { headers, httpVersionMajor, iterator: () => again(request, head) } }
}

async function onlyOne(messages: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer> | undefined> {
  const first = await messages.next()
  const { done } = await messages.next()
  return done ? first : undefined
}

async function* recording(request: IncomingMessage, pieces: Buffer[]): AsyncGenerator<Buffer> {
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    pieces.push(piece)
    yield piece
  }
}

async function* again(request: IncomingMessage, head: Buffer): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  if (!request.readableEnded) yield* request.iterator({ destroyOnReturn: false })
}

/** What cannot be read is refused by whoever serves the call. */
function readable(read: () => object): object | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
