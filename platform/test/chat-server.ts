import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import type { Answer } from './platform.ts'

export interface ChatRequest {
  model: string
  messages: { role: string; content: string | null; tool_calls?: Answer[]; tool_call_id?: string }[]
  tools?: { function: { name: string; description: string; parameters: Answer } }[]
}

interface ChatAnswer {
  text?: string
  calls?: { name: string; arguments: object }[]
  /** Fails with it. */
  status?: number
  /** With these words. */
  message?: string
  finish?: string
}

/** A server of Chat Completions on this machine, whose answers are computed from what it is asked. */
export async function startChatServer(answer: (request: ChatRequest, nth: number) => ChatAnswer | Promise<ChatAnswer>) {
  const requests: ChatRequest[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = JSON.parse(Buffer.concat(chunks).toString()) as ChatRequest
    const {
      text = null,
      calls = [],
      status = 200,
      message: why = 'no',
      finish,
    } = await answer(body, requests.push(body))
    const tool_calls = calls.map(({ name, arguments: args }, index) => ({
      id: `call_${requests.length}_${index}`,
      type: 'function',
      function: { name, arguments: JSON.stringify(args) },
    }))
    const message = { role: 'assistant', content: text, ...(calls.length > 0 && { tool_calls }) }
    const finish_reason = finish ?? (calls.length > 0 ? 'tool_calls' : 'stop')
    const usage = { prompt_tokens: Math.ceil(JSON.stringify(body.messages).length / 4), completion_tokens: 10 }
    const whole = { id: 'x', object: 'chat.completion', choices: [{ index: 0, message, finish_reason }], usage }
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(status === 200 ? whole : { error: { message: why, type: 'invalid_request_error' } }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests }
}
