import { createServer } from 'node:http'
import { parseAddress } from '../addresses.ts'
import { decideName } from '../decide.ts'
import type { Connection, Traffic } from './traffic.ts'

/**
 * A page that the gateway serves itself, so that an example can fetch one where there is no internet. Its name has to be allowed
 * as any other; its address, of a range that is set aside for documentation, leads nowhere else: nothing is connected to.
 */
export const demo = { name: 'demo.warren.internal', address: parseAddress('192.0.2.80')!, port: 80 } as const

const page = `<!doctype html>
<html lang="en">
<title>Warren demo page</title>
<h1>Warren demo page</h1>
<p>This page is served by the gateway through which sandboxes reach the network.</p>
<p>A rabbit warren is a network of burrows: each has its own chamber, and all share the ground.</p>
</html>
`

const server = createServer({ headersTimeout: 15_000, keepAliveTimeout: 5000 }, (request, response) => {
  request.resume()
  const found = request.url === '/' || request.url === '/index.html'
  const body = found ? page : 'there is one page here: /\n'
  response.writeHead(found ? 200 : 404, {
    'content-type': found ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
})
server.on('clientError', (_error, socket) => socket.destroy())

export function isDemo({ address }: Pick<Connection, 'address'>): boolean {
  return address === demo.address
}

/** Answers `connection` here, if the policy allows the name. */
export function serveDemo(traffic: Traffic, connection: Connection): void {
  if (connection.port !== demo.port || !decideName(traffic.rules, demo.name, demo.port))
    return void traffic.refuse(connection, 'not allowed')
  connection.name = demo.name
  traffic.answeredHere(connection)
  server.emit('connection', connection.inside)
  connection.inside.resume() // paused until it was known who serves it
}
