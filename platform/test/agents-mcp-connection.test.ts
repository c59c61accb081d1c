import assert from 'node:assert/strict'
import { once } from 'node:events'
import type http from 'node:http'
import { after, test } from 'node:test'
import { McpConnection } from '../src/agents/mcp/connection.ts'
import { fingerprintOf, type ListedTool, type McpTool } from '../src/agents/mcp/definition.ts'
import { Redactor } from '../src/agents/safety/redactor.ts'
import { parseRange } from '../src/engine/network/addresses.ts'
import { until } from './platform.ts'
import { startServer, text, tool } from './tool-server.ts'

const limits = {
  openMs: 30_000,
  allowance: { requests: 10, reconnections: 3, shortestReconnectMs: 1, longestReconnectMs: 60_000 },
}
const never = new AbortController().signal

function connect(url: string, ...limits: [] | [ConstructorParameters<typeof McpConnection>[1]]): McpConnection {
  const given = {
    server: { name: 's', url },
    open: [parseRange('127.0.0.0/8')!],
    revealSecrets: () => Promise.resolve([]),
    redactor: new Redactor([]),
  }
  // A server at an address needs neither an account nor a sandbox.
  const connection = new McpConnection(given as never, ...limits)
  after(() => connection.close())
  return connection
}

const toolOf = (listed: ListedTool): McpTool => ({
  ...{ name: `s__${listed.name}`, tool: listed.name, description: '', inputSchema: {}, effect: 'read' },
  fingerprint: fingerprintOf(listed),
})

/** Says yes to everything, but never to `notifications/initialized`. */
async function silentServer() {
  const asked = Promise.withResolvers<http.ServerResponse>()
  const server = await startServer(
    [tool('a')],
    () => undefined,
    ({ method }, response) => {
      if (method === 'notifications/initialized') asked.resolve(response)
      return method === 'notifications/initialized'
    },
  )
  return { ...server, asked: asked.promise }
}

test('a server that never answers the greeting is given up', async () => {
  const { url } = await silentServer()
  const listed = connect(url, { ...limits, openMs: 1000 }).list(never)
  await assert.rejects(listed, { code: 'timeout', happened: false })
})

test('closing does not wait for a server that is being opened', async () => {
  const { url, asked } = await silentServer()
  const connection = connect(url)
  const listed = assert.rejects(connection.list(never), { code: 'cancelled', happened: false })
  const response = await asked
  await connection.close()
  await listed
  if (!response.destroyed) await once(response, 'close')
})

test('of several calls after the death of a server one opens it again, for all', async () => {
  let greeted = 0
  const server = await startServer(
    [tool('a')],
    ({ arguments: { n } }, response) => (n === 0 ? void response.destroy() : text(`did ${n}`)),
    ({ method }) => {
      if (method === 'initialize') greeted++
      return false
    },
  )
  const connection = connect(server.url)
  const [listed] = await connection.list(never)
  const call = (n: number) => connection.call(toolOf(listed!), { n }, never)
  await assert.rejects(call(0), { code: 'mcp_server_gone' })
  const answers = await Promise.all([1, 2, 3].map(call))
  assert.deepEqual(
    answers.map((answer) => answer.text),
    ['did 1', 'did 2', 'did 3'],
  )
  assert.equal(greeted, 2)
})

const events = { 'content-type': 'text/event-stream' }

test('a server that asks without end is closed, and is answered no more than a connection has room for', async () => {
  let answered = 0
  const flood = (response: http.ServerResponse) => {
    response.writeHead(200, events)
    for (let id = 0; id < 10_000; id++)
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: `p${id}`, method: 'ping' })}\n\n`)
  }
  // The answers to its questions are left open.
  const server = await startServer(
    [tool('a')],
    (_call, response) => flood(response),
    ({ id, method, result }) => {
      if (id === undefined || method || !result) return false
      answered++
      return true
    },
  )
  for (const most of [10, 100_000]) {
    answered = 0
    const connection = connect(server.url, { ...limits, allowance: { ...limits.allowance, requests: most } })
    const [listed] = await connection.list(never)
    await assert.rejects(connection.call(toolOf(listed!), { n: 1 }, never), { code: 'mcp_server_gone' })
    await connection.close()
    assert.ok(answered <= 32, `${answered} answers`)
  }
})

test('a stream that ends again and again is taken up so often and no more', async () => {
  let taken = 0
  const end = (response: http.ServerResponse) => void response.writeHead(200, events).end('retry: 0\nid: 1\ndata:\n\n')
  const server = await startServer(
    [tool('a')],
    (_call, response) => end(response),
    (_message, response, { method }) => {
      if (method !== 'GET') return false
      taken++
      end(response)
      return true
    },
  )
  const connection = connect(server.url, limits)
  const [listed] = await connection.list(never)
  const call = connection.call(toolOf(listed!), { n: 1 }, never)
  await assert.rejects(call, { code: 'mcp_server_gone', message: 'it causes more than 3 reconnections by itself' })
  assert.equal(taken, 3)
})

test('nothing is left of streams that were to be taken up later', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const server = await startServer([tool('a')], (_call, response) => {
    response.writeHead(200, events).end(`retry: ${2 ** 31 - 1}\nid: 1\ndata:\n\n`)
  })
  const connection = connect(server.url)
  const [listed] = await connection.list(never)
  const before = timers()
  const calls = [1, 2, 3].map((n) => connection.call(toolOf(listed!), { n }, never).catch((error) => error.code))
  // A call has a timer for its limit, its stream another.
  await until('the streams have ended', async () => timers() >= before + 6)
  await connection.close()
  assert.deepEqual(await Promise.all(calls), Array(3).fill('mcp_server_gone'))
  assert.equal(timers(), before)
})
