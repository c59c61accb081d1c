import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import type { Answer } from './platform.ts'

export interface Received {
  headers: IncomingHttpHeaders
  /** Where it was posted to. */
  path: string
  body: Answer
  text: string
}

/** An endpoint that answers as `answer` says; undefined: never. */
export async function receive(
  answer: (got: Received) => number | undefined = () => 204,
): Promise<{ url: string; got: Received[]; listen: () => Promise<void>; close: () => Promise<void> }> {
  const got: Received[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const received = { headers: request.headers, path: request.url!, text, body: JSON.parse(text) }
    got.push(received)
    const status = answer(received)
    if (status !== undefined) response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end()
  })
  let port = 0
  const listen = async () => {
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    ;({ port } = server.address() as AddressInfo)
  }
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen()
  after(close)
  return { url: `http://127.0.0.1:${port}/hook`, got, listen, close }
}
