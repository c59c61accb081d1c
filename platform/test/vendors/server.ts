import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** What the next request is answered with. */
export interface VendorReply {
  status?: number
  headers?: Record<string, string>
  body: string | Uint8Array
  /** Written in pieces of this size, each on its own way through the socket. */
  chunkBytes?: number
  /** The connection breaks after so many bytes. */
  cutAfter?: number
  /** After the body nothing comes any more, and no end. */
  hangs?: boolean
  /** Before anything is answered. */
  waitMs?: number
}

export interface VendorRequest {
  path: string
  headers: Record<string, string | string[] | undefined>
  body: string
}

export interface VendorServer {
  url: string
  requests: VendorRequest[]
  /** Answers the next requests with these, in order, and further ones with the last. */
  answer(...replies: VendorReply[]): void
  /** Settles when the client of the running request has gone away. */
  clientGone(): Promise<void>
  close(): Promise<void>
}

/** A model vendor on the loopback interface: what it says is up to the test. */
export async function openVendorServer(): Promise<VendorServer> {
  const requests: VendorRequest[] = []
  let replies: VendorReply[] = []
  let gone = Promise.withResolvers<void>()

  const server = createServer(async (request, response) => {
    gone = Promise.withResolvers<void>()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    requests.push({ path: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString('utf8') })
    response.on('close', () => {
      if (!response.writableFinished) gone.resolve()
    })
    const reply = replies.length > 1 ? replies.shift()! : replies[0]!
    await send(response, reply).catch(() => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (...next) => {
      replies = next
    },
    clientGone: () => gone.promise,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function send(response: ServerResponse, reply: VendorReply): Promise<void> {
  if (reply.waitMs) await delay(reply.waitMs)
  const { status = 200, headers = {} } = reply
  const body = Buffer.from(reply.body as Uint8Array)
  const sent = body.subarray(0, reply.cutAfter)
  response.socket?.setNoDelay(true)
  response.writeHead(status, { 'content-type': 'text/event-stream', ...headers })
  response.flushHeaders()
  const size = reply.chunkBytes ?? sent.length
  for (let at = 0; at < sent.length; at += size)
    await new Promise((resolve) => response.write(sent.subarray(at, at + size), resolve))
  if (reply.hangs) return
  if (reply.cutAfter !== undefined) response.destroy()
  else response.end()
}
