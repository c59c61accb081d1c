import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import type { Answer } from './platform.ts'

/** What a server of the tests does with a call of a tool; without a result nothing is answered. */
export type Handle = (call: { name: string; arguments: Answer }, response: http.ServerResponse, id: number) => Answer

/** What it does with any message before all else; true where that was all. A GET is no message. */
export type Intercept = (message: Answer, response: http.ServerResponse, request: http.IncomingMessage) => boolean

export interface ToolServer {
  url: string
  tools: object[]
  calls: { name: string; arguments: Answer }[]
  headers: http.IncomingHttpHeaders[]
  restart(): Promise<void>
}

/** A server that speaks the protocol as it was in 2025, by hand, so that it can do so wrongly. */
export async function startServer(
  tools: object[],
  handle: Handle,
  intercept: Intercept = () => false,
): Promise<ToolServer> {
  let session = 1
  const found: ToolServer = { url: '', tools, calls: [], headers: [], restart: () => Promise.resolve() }
  const server = http.createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    found.headers.push(request.headers)
    const message = JSON.parse(text || '{}')
    if (intercept(message, response, request)) return
    const { id, method, params } = message
    const answer = (result: object) => {
      const headers = { 'content-type': 'application/json', 'mcp-session-id': String(session) }
      response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: '2.0', id, ...result }))
    }
    if (method === 'initialize') {
      const serverInfo = { name: 'test', version: '1' }
      return answer({ result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo } })
    }
    if (method === 'server/discover') return answer({ error: { code: -32601, message: 'unknown method' } })
    if (request.headers['mcp-session-id'] !== String(session)) return void response.writeHead(404).end()
    if (id === undefined) return void response.writeHead(202).end()
    if (method === 'tools/list') return answer({ result: { tools: found.tools } })
    found.calls.push(params)
    const result = handle(params, response, id)
    if (result !== undefined) answer(result.error ? result : { result })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  found.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  found.restart = async () => {
    session++
  }
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  return found
}

export const text = (value: string, more: object = {}) => ({ content: [{ type: 'text', text: value }], ...more })
export const tool = (name: string, more: object = {}) => ({
  name,
  description: `Does ${name}.`,
  inputSchema: { type: 'object', properties: { n: { type: 'integer', minimum: 0 } }, required: ['n'] },
  ...more,
})
