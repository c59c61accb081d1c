import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientGone, sendAway } from './client-gone.ts'
import { problemOf } from './problem.ts'

const keepAliveMs = 15_000

/** The id of the event that a client which comes again has seen last. */
export function lastEventId({ headers }: Pick<FastifyRequest, 'headers'>): string | undefined {
  return [headers['last-event-id']].flat()[0]
}

export interface EventStream {
  /** Resolves when there is room for more. Rejects when the client has gone. */
  send(event: string, data: object, id?: string): Promise<void>
}

/**
 * Answers with server-sent events: whatever `produce` sends, then the end. A failure of `produce` is the last event,
 * `error`. Its signal aborts when the client goes away, when the platform stops and when the caller may not have it any more, which
 * the last event then says. A comment every 15 s keeps proxies from closing a silent stream.
 */
export async function streamEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  produce: (stream: EventStream, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  reply.hijack()
  const response = reply.raw
  const gone = clientGone(response)
  const { stopping } = request.server
  const held = request.server.gateway.hold(request.principal)
  const signal = AbortSignal.any([gone, stopping, held.signal])
  // Whatever it waits for.
  const over = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  )
  over.catch(() => {})
  // Writing to a connection that has just gone is an error event, and one without a listener ends the process.
  response.on('error', (error) => request.log.debug({ err: error, requestId: request.id }, 'event stream broke'))
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-request-id': request.id,
  })
  response.flushHeaders()
  // A stalled client has unread output already: no need to add comments to it.
  const keepAlive = setInterval(() => response.writableNeedDrain || response.write(': still here\n\n'), keepAliveMs)

  const send: EventStream['send'] = async (event, data, id) => {
    signal.throwIfAborted()
    const place = id === undefined ? '' : `id: ${id}\n`
    if (!response.write(`${place}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`))
      await once(response, 'drain', { signal })
  }
  try {
    const produced = produce({ send }, signal)
    produced.catch(() => {}) // what it says after the end
    await Promise.race([produced, over])
  } catch (error) {
    if (gone.aborted) return
    const problem = problemOf(signal.aborted ? signal.reason : error, request.id)
    if (problem.body.code === 'internal') request.log.error({ err: error, requestId: request.id }, 'stream failed')
    response.write(`event: error\ndata: ${JSON.stringify(problem.body)}\n\n`)
  } finally {
    clearInterval(keepAlive)
    held.end()
    response.end()
    if (held.signal.aborted) sendAway(response, held.signal.reason)
  }
}
