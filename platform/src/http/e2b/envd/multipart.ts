import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { Busboy, type BusboyFileStream, type BusboyHeaders } from '@fastify/busboy'
import { Refusal } from '../refusal.ts'

interface Part {
  /** With its folders, as the client gave it. */
  filename: string | undefined
  content: AsyncIterable<Buffer>
}

/** The parts named `file`, in their order. Each must be read to its end before the next one comes. */
export async function* multipartFiles(
  body: AsyncIterable<Buffer>,
  headers: IncomingHttpHeaders,
): AsyncGenerator<Part, void> {
  const parser = openParser(headers)
  const source = Readable.from(body)
  const parts: { filename: string | undefined; stream: BusboyFileStream }[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  let failure: Error | undefined
  const tell = () => wake.resolve()
  const fail = (error: Error) => {
    failure ??= error
    for (const { stream } of parts) stream.destroy(error)
    tell()
  }
  parser.on('file', (name, stream, filename) => {
    if (name !== 'file') return void stream.resume()
    stream.on('error', () => {}) // told by `failure` too
    parts.push({ filename: filename || undefined, stream })
    tell()
  })
  parser.on('finish', () => {
    ended = true
    tell()
  })
  parser.on('error', () => fail(malformed()))
  source.on('error', fail)
  source.pipe(parser)
  try {
    for (;;) {
      const part = parts.shift()
      if (part) {
        yield { filename: part.filename, content: contentOf(part.stream, () => failure) }
        continue
      }
      if (failure) throw failure
      if (ended) return
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
  } finally {
    source.unpipe(parser)
    source.destroy()
  }
}

async function* contentOf(stream: BusboyFileStream, failure: () => Error | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield chunk as Buffer
  const broken = failure()
  if (broken) throw broken
}

function openParser(headers: IncomingHttpHeaders): Busboy {
  try {
    return new Busboy({
      headers: headers as BusboyHeaders,
      preservePath: true,
      isPartAFile: (name) => name === 'file',
      limits: { headerPairs: 100, fieldNameSize: 1024, fieldSize: 64 * 1024, fields: 1000 },
    })
  } catch {
    throw malformed()
  }
}

function malformed(): Refusal {
  return new Refusal(400, 'the body is no whole multipart/form-data')
}
