import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressRange } from '../../engine/network/addresses.ts'
import { judgeAddress, judgedLookup } from '../../engine/network/judge-address.ts'
import { ToolError } from '../tools/tool.ts'

/** Those that a server leaves unanswered are closed with the connection, whose calls then end. */
const mostOpen = 32

interface JudgedFetchOptions {
  /** Private ranges that the operator opens. */
  open: readonly AddressRange[]
  /** Sent with every request to this origin, and to no other. */
  headers: Record<string, string>
  origin: string
  mostBytes: number
  /** Told when an answer breaks off that nobody can take up again: whoever waits for it would wait for ever. */
  onBroken: (error: Error) => void
}

/**
 * What the client of the protocol uses for `fetch`. Each address is judged when it is connected to, answers are no longer than
 * `mostBytes`, and nothing is kept open that no call waits for.
 */
export function judgedFetch(options: JudgedFetchOptions): typeof fetch {
  const count = { open: 0 }
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const headers = Object.fromEntries(new Headers(init.headers))
    // The stream of what a server says by itself. Which tools there are is settled when a run begins, so nobody listens to it.
    if (init.method === 'GET' && !headers['last-event-id']) return new Response(null, { status: 405 })
    const own = url.origin === options.origin ? options.headers : {}
    const sent = { ...headers, 'user-agent': 'warren-agents', ...own }
    if (count.open >= mostOpen) {
      const fault = new ToolError('mcp_server_gone', `it leaves ${mostOpen} requests open`, { transient: true })
      options.onBroken(fault)
      throw fault
    }
    const method = init.method ?? 'GET'
    const answer = await ask(url, { ...options, method, headers: sent, ...bodyOf(init), count })
    const status = answer.statusCode ?? 502
    const fields = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
      values.map((value): [string, string] => [name, value]),
    )
    const isEmpty = [101, 204, 205, 304].includes(status)
    if (isEmpty) answer.resume()
    return new Response(isEmpty ? null : bounded(answer, options), { status, headers: fields })
  }
}

function bodyOf({ body, signal }: RequestInit): { body?: string; signal?: AbortSignal } {
  return { ...(typeof body === 'string' && { body }), ...(signal && { signal }) }
}

interface Asked extends Pick<JudgedFetchOptions, 'open'> {
  method: string
  headers: Record<string, string>
  body?: string
  signal?: AbortSignal
  count: { open: number }
}

function ask(url: URL, { open, method, headers, body, signal, count }: Asked): Promise<IncomingMessage> {
  const judge = (address: string) => {
    const verdict = judgeAddress(address, open)
    if (verdict.reach === 'closed') throw refused(`${url.hostname} is at ${address}, which ${verdict.reason}`)
    if (verdict.reach === 'public' && url.protocol !== 'https:') throw refused('only https is spoken in the internet')
  }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method,
      agent: false,
      lookup: judgedLookup(url, judge),
      headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
      ...(signal && { signal }),
    })
    request.on('error', reject)
    count.open++
    request.on('close', () => count.open--)
    request.on('response', resolve)
    request.end(body)
  })
}

function refused(message: string): ToolError {
  return new ToolError('mcp_unreachable', message, { happened: false })
}

/** The body, cut off by an error where it becomes too long. */
function bounded(answer: IncomingMessage, { mostBytes, onBroken }: JudgedFetchOptions): ReadableStream<Uint8Array> {
  let bytes = 0
  /** It numbers its events, so that the client asks for the rest of them. */
  let canBeTakenUp = false
  const failWith = (controller: ReadableStreamDefaultController, error: Error) => {
    if (!canBeTakenUp || error instanceof ToolError) onBroken(error)
    controller.error(error)
    answer.destroy()
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > mostBytes)
            return failWith(controller, new ToolError('result_too_large', `it answers more than ${mostBytes} bytes`))
          canBeTakenUp ||= /(?:^|\n)id:/.test(chunk.toString('latin1'))
          controller.enqueue(chunk)
          if ((controller.desiredSize ?? 0) <= 0) answer.pause()
        })
        answer.on('end', () => {
          if (bytes <= mostBytes) controller.close()
        })
        answer.on('error', (error) => {
          if (bytes <= mostBytes) failWith(controller, error)
        })
      },
      pull: () => void answer.resume(),
      cancel: () => void answer.destroy(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 }),
  )
}
