import { createInterface } from 'node:readline'
import { type JSONRPCMessage, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type ErrorCode, WarrenError } from '@warren/sdk'
import { said } from '../explain.ts'
import { text } from '../messages.ts'
import { credentials, serverUrl } from '../server.ts'
import { renewSession } from '../session.ts'

type Id = string | number

/**
 * Passes the messages of a client on standard input to /mcp of the server, and its answers to standard output: it knows no tool
 * of its own. Ends with its input, and with it whatever was still running for the client.
 */
export async function bridge(): Promise<void> {
  const transport = new StreamableHTTPClientTransport(new URL(`${serverUrl().replace(/\/+$/, '')}/mcp`), {
    fetch: fetchAsUser,
  })
  const waiting = new Map<Id, AbortController>()
  const answer = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`)

  transport.onmessage = (message) => {
    if (!('method' in message) && message.id !== undefined) waiting.delete(message.id)
    if ('result' in message && typeof message.result.protocolVersion === 'string')
      transport.setProtocolVersion(message.result.protocolVersion)
    answer(message)
  }
  await transport.start()

  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue
    const message = messageIn(line)
    if (!message) {
      answer({ jsonrpc: '2.0', id: null, error: { code: -32700, message: text.notJson } })
      continue
    }
    // The server ends what nobody waits for any more.
    if ('method' in message && message.method === 'notifications/cancelled') {
      waiting.get(message.params?.requestId as Id)?.abort()
      continue
    }
    const id = 'method' in message && 'id' in message ? message.id : undefined
    const controller = new AbortController()
    if (id !== undefined) waiting.set(id, controller)
    const broken = () => {
      if (id === undefined || !waiting.delete(id) || controller.signal.aborted) return
      answer(refusal(id, new WarrenError('unavailable', text.mcpBroken)))
    }
    transport.send(message, { requestSignal: controller.signal, onRequestStreamEnd: broken }).catch((error) => {
      if (id !== undefined && waiting.delete(id) && !controller.signal.aborted) answer(refusal(id, error))
    })
  }
  await transport.close()
}

function messageIn(line: string): JSONRPCMessage | undefined {
  try {
    const message = JSON.parse(line)
    return typeof message === 'object' && message !== null ? message : undefined
  } catch {
    return undefined
  }
}

function refusal(id: Id, error: unknown): object {
  const { code, message, hint } = said(error)
  return { jsonrpc: '2.0', id, error: { code: -32000, message, data: { code, ...(hint ? { hint } : {}) } } }
}

/** With the key as it is now: a session may have been renewed, or another may have signed in. */
async function fetchAsUser(url: string | URL, init: RequestInit = {}): Promise<Response> {
  await renewSession()
  const { apiKey, organisation } = credentials()
  const headers = new Headers(init.headers)
  if (apiKey) headers.set('x-api-key', apiKey)
  if (organisation) headers.set('warren-organisation', organisation)
  let response: Response
  try {
    response = await fetch(url, { ...init, headers })
  } catch (cause) {
    init.signal?.throwIfAborted()
    const { code, message } = ((cause as Error).cause ?? cause) as Error & { code?: string }
    throw new WarrenError('unavailable', text.noServer(serverUrl(), code ?? message), {
      details: { noAnswer: code ?? message },
    })
  }
  if (response.ok || response.status === 405) return response
  const problem = (await response
    .clone()
    .json()
    .catch(() => ({}))) as { code?: unknown; message?: string; hint?: string }
  // What speaks of the protocol is an answer in it.
  if (typeof problem.code !== 'string') return response
  const { code, message = '', hint } = problem
  throw new WarrenError(code as ErrorCode, message, hint === undefined ? {} : { hint })
}
