import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { gunzipSync } from 'node:zlib'

/**
 * A server that makes every mistake the door must not make: asks for no key, unpacks and parses whatever comes, decodes
 * paths twice, answers any origin. Attempts at the door are tried on it first, to see that they would be noticed.
 */
export class WeakDoor {
  readonly url: string
  readonly key = 'weak'
  readonly sandboxId = 'sweak0000000000000000'
  readonly #server: http.Server
  #deleted = false

  private constructor(server: http.Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async open(token: string): Promise<WeakDoor> {
    let door: WeakDoor | undefined
    const server = http.createServer(
      { insecureHTTPParser: true, maxHeaderSize: 1024 * 1024, headersTimeout: 0, requestTimeout: 0 },
      (request, response) => void door!.#answer(request, response, token),
    )
    server.maxConnections = 50
    server.on('clientError', (_error, socket: Duplex) => socket.destroy())
    server.on('upgrade', (_request, socket: Duplex) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    door = new WeakDoor(server)
    return door
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse, token: string): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { origin = '*' } = request.headers
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json', 'access-control-allow-origin': origin })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }
    try {
      const url = decodeURIComponent(decodeURIComponent(request.url ?? '/'))
      if (request.headers['x-http-method-override'] === 'DELETE') this.#deleted = true
      if (url.startsWith('/v1/sandboxes?')) return send(200, { sandboxes: [{ id: this.sandboxId }] })
      if (url === `/v1/sandboxes/${this.sandboxId}` && this.#deleted) return send(404, {})
      if (url.includes('/files?')) return send(200, /secret(\0|$)/.test(url) ? token : '')
      const raw = Buffer.concat(chunks)
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
      send(200, { depth: body.length > 0 ? depthOf(JSON.parse(body.toString())) : 0 })
    } catch {
      send(500, {})
    }
  }
}

/** Goes down as deep as the document does, until there is no more stack. */
function depthOf(value: unknown): number {
  return Array.isArray(value) ? 1 + Math.max(0, ...value.map(depthOf)) : 0
}
