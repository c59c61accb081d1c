import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'

interface EmbeddingRequest {
  model: string
  input: string[]
  authorization: string | undefined
}

type Fault = '500' | 'dimensions' | 'missing' | 'places' | 'null' | 'not a number' | 'hangs' | 'nonsense'

/** Words that mean the same to it; all else it knows by its length alone. */
const meanings = [/\b(cat|feline)\b/i, /\b(car|vehicle)\b/i]

/** A server that speaks as OpenAI's embeddings do, its vectors in another order than its texts. */
export async function startEmbeddingServer() {
  const requests: EmbeddingRequest[] = []
  const state: { fault: Fault | undefined } = { fault: undefined }
  const server = http.createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const { model, input } = JSON.parse(body)
    requests.push({ model, input, authorization: request.headers.authorization })
    const { fault } = state
    if (fault === 'hangs') return
    if (fault === '500')
      return void response.writeHead(500).end(JSON.stringify({ error: { message: request.headers.authorization } }))
    if (fault === 'nonsense') return void response.end('<html>')
    const data = (input as string[]).map((text, index) => ({ index, embedding: vectorOf(text) as unknown[] })).reverse()
    if (fault === 'dimensions') for (const one of data) one.embedding.push(1)
    if (fault === 'missing') data.pop()
    if (fault === 'places') data[0]!.index = -1
    if (fault === 'null') data[0]!.embedding[0] = null
    if (fault === 'not a number') data[0]!.embedding[0] = 'x'
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ object: 'list', model, data }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return Object.assign(state, { url, requests })
}

function vectorOf(text: string): number[] {
  return [...meanings.map((meaning) => (meaning.test(text) ? 10 : 0)), 1, Math.sin(text.length), Math.cos(text.length)]
}
