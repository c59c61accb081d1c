import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { clientGone } from '../../client-gone.ts'
import { Refusal } from '../refusal.ts'
import type { Call, Exchange } from './call.ts'
import { acting, metadataPrefix } from './entries.ts'
import { filePath, fileRefusal } from './file-path.ts'
import { metadataOfHeaders } from './metadata.ts'
import { multipartFiles } from './multipart.ts'

interface Written {
  path: string
  name: string
  type: 'file'
  metadata?: Record<string, string>
}

/** `POST /files`: writes one file from a raw body, or as many as a multipart body has. */
export async function upload(call: Pick<Call, 'guest' | 'user'>, exchange: Exchange): Promise<void> {
  const { request, response, url } = exchange
  const metadata = metadataOfHeaders(request.headers)
  const path = url.searchParams.get('path') ?? undefined
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  const signal = clientGone(response)
  const body = bodyOf(exchange)
  const write = (target: string, source: AsyncIterable<Buffer>) =>
    writeFile({ ...call, signal }, target, { source, metadata })

  const written: Written[] = []
  if (type === 'application/octet-stream') {
    if (!path) throw new Refusal(400, 'the query parameter "path" is needed with a body of application/octet-stream')
    written.push(await write(path, body))
  } else if (type === 'multipart/form-data') {
    const taken = new Set<string>()
    for await (const part of multipartFiles(body, request.headers)) {
      const target = path ?? part.filename
      if (!target) throw new Refusal(400, 'a part has neither a file name nor is there a query parameter "path"')
      if (taken.has(filePath(target)))
        throw new Refusal(400, `you cannot upload multiple files to the same path '${target}' in one upload request`)
      taken.add(filePath(target))
      written.push(await write(target, part.content))
    }
  } else {
    throw new Refusal(
      400,
      `a body of type "${type.slice(0, 80)}" is not taken: send multipart/form-data or application/octet-stream`,
    )
  }
  const text = JSON.stringify(written)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

export async function writeFile(
  call: Pick<Call, 'guest' | 'user' | 'signal'>,
  path: string,
  { source, metadata }: { source: AsyncIterable<Buffer>; metadata: Record<string, string> },
): Promise<Written> {
  const values = Object.fromEntries(Object.entries(metadata).map(([key, value]) => [metadataPrefix + key, value]))
  const options = { ...acting(call), parents: true, attributes: { prefix: metadataPrefix, values } }
  const stat = await call.guest.files
    .write(filePath(path), source, options, call.signal)
    .catch((error) => fileRefusal(error, path))
  return {
    path: posix.normalize(stat.path),
    name: posix.basename(stat.path),
    type: 'file',
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
  }
}

/** The body without the compression that its head announces. */
function bodyOf({ request }: Exchange): AsyncIterable<Buffer> {
  // A refusal must not destroy what is left of the body: the connection would go with it, and the answer.
  const raw = request.iterator({ destroyOnReturn: false })
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return raw
  if (encoding !== 'gzip')
    throw new Refusal(400, `the content encoding "${encoding.slice(0, 40)}" is not known: gzip is`)
  return unzipped(request)
}

async function* unzipped(request: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  request.pipe(gunzip)
  request.once('error', (error) => gunzip.destroy(error))
  request.once('close', () => request.readableEnded || gunzip.destroy(new Error('the client went away')))
  try {
    for await (const chunk of gunzip) yield chunk
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code?.startsWith('Z_')) throw new Refusal(400, 'the body is no gzip')
    throw error
  } finally {
    request.unpipe(gunzip)
  }
}
