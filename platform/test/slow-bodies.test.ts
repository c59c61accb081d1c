import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { startPlatform } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_FUNCTION_POOL: '0' })
const service = 'warren.v1.SandboxService'

/** Whoever reads a body whole waits for it only so long; who has no key is told so before. */
const doors: Record<string, { path: string; type: string; key?: true }> = {
  REST: { path: '/v1/orgs', type: 'application/json', key: true },
  E2B: { path: '/v2/sandboxes', type: 'application/json', key: true },
  MCP: { path: '/mcp', type: 'application/json', key: true },
  'a call of a function': { path: '/v1/functions/none/invoke', type: 'application/json', key: true },
  'a call of a function of bytes': { path: '/v1/functions/none/invoke', type: 'text/plain', key: true },
  'a queued call': { path: '/v1/functions/none/invocations', type: 'text/plain', key: true },
  'a hook': { path: '/h/none/token', type: 'text/plain' },
  'a notice of a provider': { path: '/v1/billing/notices/stripe', type: 'text/plain' },
  Connect: { path: `/${service}/GetSandbox`, type: 'application/json', key: true },
}

test('a body that does not come is given up at every door, with an answer that says so', async () => {
  const answers = await Promise.all(
    Object.values(doors).map(({ path, type, key }) => {
      const head = [
        `POST ${path} HTTP/1.1`,
        ...['host: 127.0.0.1', `content-type: ${type}`, 'content-length: 1000'],
        'accept: application/json, text/event-stream',
        ...(key ? [`x-api-key: ${platform.key}`] : []),
      ]
      return ended(`${head.join('\r\n')}\r\n\r\n{"a":`)
    }),
  )
  for (const [at, door] of Object.keys(doors).entries()) {
    const answer = answers[at]!
    // Connect has a status of its own for what is late.
    assert.match(
      answer,
      door === 'Connect' ? /^HTTP\/1\.1 504 / : /^HTTP\/1\.1 400 /,
      `${door}: ${answer.slice(0, 400)}`,
    )
    assert.match(answer, /did not arrive/, door)
  }
})

/** All that is answered until the connection ends. */
function ended(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = net.connect(platform.port, '127.0.0.1', () => socket.write(bytes))
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk
    })
    socket.once('close', () => resolve(answer))
    socket.once('error', reject)
  })
}
