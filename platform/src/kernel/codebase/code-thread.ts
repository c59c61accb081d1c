import { serialize } from 'node:v8'
import { parentPort } from 'node:worker_threads'
import type { Inspected } from '../hazards/hazard.ts'
import { type AnalyseRequest, analyse } from './analyse.ts'
import { type LocateRequest, locate } from './locate.ts'
import { type SearchRequest, searchText } from './search-text.ts'

/** What a thread is asked, one thing after the other. */
export type CodeRequest =
  | ({ type: 'analyse' } & AnalyseRequest)
  | ({ type: 'locate' } & LocateRequest)
  | ({ type: 'search' } & SearchRequest)
  | { type: 'inspect'; given: readonly Inspected[] }

export type CodeAnswer = { value: unknown } | { error: string }

parentPort!.on('message', async (request: CodeRequest) => {
  let answer: CodeAnswer
  try {
    answer = { value: await perform(request) }
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) }
  }
  parentPort!.postMessage(answer)
})

async function perform(request: CodeRequest): Promise<unknown> {
  // A buffer is a plain array of bytes when it has come here.
  if (request.type === 'search')
    return searchText({ ...request, files: request.files.map(({ id, bytes }) => ({ id, bytes: asBuffer(bytes) })) })
  if (request.type === 'inspect') {
    // Loaded when it is asked for: a thread that only reads code starts sooner without it.
    const { inspect } = await import('../hazards/inspect.ts')
    return await inspect(request.given)
  }
  if (request.type === 'locate') return await locate({ ...request, bytes: asBuffer(request.bytes) })
  const { previous } = request
  const analysis = await analyse({
    ...request,
    bytes: asBuffer(request.bytes),
    ...(previous && { previous: { ...previous, bytes: asBuffer(previous.bytes) } }),
  })
  // As it is kept on the disk: so it is done once, and here.
  return serialize(analysis)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
