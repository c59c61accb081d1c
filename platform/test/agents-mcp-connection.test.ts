import assert from 'node:assert/strict'
import { once } from 'node:events'
import type http from 'node:http'
import { after, test } from 'node:test'
import { McpConnection } from '../src/agents/mcp/connection.ts'
import { fingerprintOf, type ListedTool, type McpTool } from '../src/agents/mcp/definition.ts'
import { Redactor } from '../src/agents/safety/redactor.ts'
import { parseRange } from '../src/engine/network/addresses.ts'
import { startServer, text, tool } from './tool-server.ts'

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
  const listed = connect(url, { openMs: 1000 }).list(never)
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
