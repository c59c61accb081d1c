import { inTime } from '../../lib/in-time.ts'
import { clientGone } from '../client-gone.ts'
import { cutOff } from '../cut-off.ts'
import { chooseWire } from './choose-wire.ts'
import { decode, encode } from './codec.ts'
import { Deadline, tooLate } from './deadline.ts'
import type { CallTimes, Procedure } from './procedure.ts'
import { RpcError, rpcErrorOf } from './rpc-error.ts'
import type { Asked, Exchange } from './wire.ts'

const defaultKeepaliveSeconds = 90

interface Served<C> extends Exchange {
  /** Who calls. Throws for one that may not; nothing of the request has been read then. */
  caller: () => Promise<Omit<C, keyof CallTimes>>
  /** Throws for a caller that may not call; the one message of a call has been read then. */
  admit?: () => Promise<void>
  /**
   * Whether the other side went away, which cuts the connection: a client takes an orderly end for the end of its
   * command.
   */
  isGone?: () => Promise<boolean>
  /** What the caller gets to see of an error. */
  errorOf?: (error: unknown) => RpcError
  /** When it aborts, the call fails with its reason: the platform stops. */
  stopping?: AbortSignal
  /** Whether gRPC is spoken beside Connect. */
  grpc?: boolean
  /** How long the one message of a call may take to come. */
  patienceMs?: number
  /** How large the one message of a call may be, unpacked. */
  mostBytes?: number
}

/** Answers a call in the protocol that it comes in: Connect over any HTTP, where it is offered gRPC over HTTP/2. */
export async function serveProcedure<C extends CallTimes>(
  procedure: Procedure<C>,
  {
    caller,
    admit,
    isGone,
    errorOf = rpcErrorOf,
    stopping,
    patienceMs,
    mostBytes,
    grpc = false,
    ...exchange
  }: Served<C>,
): Promise<void> {
  const { request, response } = exchange
  const { kind, input, output } = procedure
  const wire = chooseWire(exchange, { streams: kind !== 'unary', grpc })
  if (!wire) {
    const wanted =
      kind === 'unary' ? 'application/json, application/proto' : 'application/connect+json, application/connect+proto'
    response.writeHead(415, { 'accept-post': wanted }).end()
    return
  }
  const { codec, timeoutMs } = wire
  const late = new Deadline(timeoutMs)
  let isOver = false
  const fail = (error: unknown) => {
    if (isOver || response.destroyed) return
    isOver = true
    wire.fail(error instanceof RpcError ? error : errorOf(error))
  }
  const onLate = () => fail(errorOf(tooLate()))
  const onStopping = () => fail(stopping!.reason)
  late.signal.addEventListener('abort', onLate)
  stopping?.addEventListener('abort', onStopping)
  let answers: AsyncIterator<object> | undefined
  try {
    const signal = AbortSignal.any([clientGone(response), late.signal])
    const call = { ...(await caller()), timeoutMs, keepaliveMs: keepaliveOf(request), signal } as C
    const messages = decoded(wire.messages(), (bytes) => {
      if (kind !== 'client-stream' && mostBytes !== undefined && bytes.length > mostBytes)
        throw new RpcError('resource_exhausted', `the message of this call may have ${mostBytes} bytes at most`)
      return decode(codec, input, bytes)
    })
    if (kind === 'client-stream') {
      await admit?.()
      answers = once(procedure.run(call, messages as AsyncIterable<never>))
    } else {
      const message = (await onlyOne(messages, patienceMs)) as never
      await admit?.()
      answers =
        kind === 'unary' ? once(procedure.run(call, message)) : procedure.run(call, message)[Symbol.asyncIterator]()
    }
    for (;;) {
      const next = await answers.next()
      if (isOver || response.destroyed) return
      if (next.done) break
      await wire.send(encode(codec, output, next.value))
    }
    isOver = true
    wire.end()
  } catch (error) {
    if (isOver || response.destroyed) return
    const refusal = errorOf(error)
    if (refusal.code === 'unavailable' && kind !== 'unary' && (await isGone?.())) return void cutOff(response)
    fail(refusal)
  } finally {
    late.signal.removeEventListener('abort', onLate)
    stopping?.removeEventListener('abort', onStopping)
    late.clear()
    void answers?.return?.()?.catch(() => {})
  }
}

/**
 * The one message of a body that is read to its end before anything is answered: clients there are that take the head of
 * an answer as leave to send nothing more, though they have not sent their message yet.
 */
function onlyOne(messages: AsyncIterable<object>, patienceMs: number | undefined): Promise<object> {
  const message = first(messages)
  const late = () => new RpcError('deadline_exceeded', 'the message did not arrive in time')
  return patienceMs ? inTime(message, patienceMs, late) : message
}

async function first(messages: AsyncIterable<object>): Promise<object> {
  const all: object[] = []
  for await (const message of messages) {
    all.push(message)
    if (all.length > 1) break
  }
  if (all.length === 1) return all[0]!
  throw new RpcError('invalid_argument', 'the stream must have one message')
}

async function* decoded(messages: AsyncIterable<Buffer>, read: (bytes: Buffer) => object): AsyncGenerator<object> {
  for await (const bytes of messages) yield read(bytes)
}

async function* once(answer: Promise<object>): AsyncGenerator<object> {
  yield await answer
}

function keepaliveOf({ headers }: Asked): number {
  const seconds = Number(/^\d{1,6}$/.exec(String(headers['keepalive-ping-interval'] ?? ''))?.[0] ?? 0)
  return (seconds || defaultKeepaliveSeconds) * 1000
}
