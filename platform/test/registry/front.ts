import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

export interface Front {
  /** `ADDRESS:PORT` */
  host: string
  asked: { method: string; url: string; headers: IncomingMessage['headers'] }[]
  close(): Promise<void>
}

/** Answers itself and returns true, or leaves the request to the registry. */
export type Answer = (asked: IncomingMessage, answer: ServerResponse) => boolean
/** Changes what the registry answered on its way. */
export type Meddle = (asked: IncomingMessage, from: IncomingMessage, answer: ServerResponse) => boolean

/** Stands before a registry, as a cloud's load balancer does, and does what a test wants it to do. */
export async function startFront(
  behind: string | undefined,
  {
    address = '127.0.0.1',
    answer = () => false,
    meddle = () => false,
  }: { address?: string; answer?: Answer; meddle?: Meddle } = {},
): Promise<Front> {
  const asked: Front['asked'] = []
  const server = createServer((incoming, outgoing) => {
    asked.push({ method: incoming.method!, url: incoming.url!, headers: incoming.headers })
    if (answer(incoming, outgoing)) return
    if (!behind) return void outgoing.writeHead(404).end()
    const { authorization: _, ...headers } = incoming.headers
    const passed = request(`${behind}${incoming.url}`, { method: incoming.method, headers }, (from) => {
      if (meddle(incoming, from, outgoing)) return
      outgoing.writeHead(from.statusCode!, from.headers)
      from.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  server.listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    host: `${address}:${port}`,
    asked,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
