import { posix } from 'node:path'
import { pipeline } from 'node:stream'
import { createGzip } from 'node:zlib'
import { byteRange } from '../../byte-range.ts'
import { clientGone } from '../../client-gone.ts'
import { Refusal } from '../refusal.ts'
import type { Call, Exchange } from './call.ts'
import { acting } from './entries.ts'
import { filePath, fileRefusal } from './file-path.ts'

/** Larger files are sent as they are: compressing them takes longer than sending them, on the line that is usual here. */
const mostGzipBytes = 8 * 1024 * 1024

/** `GET /files`: the bytes of a file, or a range of them. */
export async function download(call: Pick<Call, 'guest' | 'user'>, exchange: Exchange): Promise<void> {
  const { request, response, url } = exchange
  const given = url.searchParams.get('path') ?? ''
  const path = filePath(given)
  const signal = clientGone(response)
  const stat = await call.guest.files.stat(path, acting(call)).catch((error) => fileRefusal(error, given))
  if (stat.type === 'directory') throw new Refusal(400, `path '${given}' is a directory`)
  if (stat.type !== 'file') throw new Refusal(400, `path '${given}' is not a regular file`)

  response.setHeader('content-disposition', `inline; filename=${quoted(posix.basename(stat.path))}`)
  response.setHeader('content-type', 'application/octet-stream')
  response.setHeader('vary', 'Accept-Encoding')
  response.setHeader('accept-ranges', 'bytes')
  response.setHeader('last-modified', new Date(stat.modifiedAt).toUTCString())
  const seconds = Math.floor(stat.modifiedAt / 1000)
  const since = Date.parse(request.headers['if-modified-since'] ?? '')
  if (!Number.isNaN(since) && seconds <= since / 1000) return void response.writeHead(304).end()

  // A range of what has changed since is no use to who asks that way.
  const ifRange = request.headers['if-range']
  const ranged = ifRange === undefined || seconds === Date.parse(String(ifRange)) / 1000
  // Files of /proc say they are empty and are not: they are read to their end, whatever that is.
  const range = stat.size > 0 && ranged ? byteRange(request.headers.range, stat.size) : undefined
  const encoding = range ? 'identity' : encodingFor(request.headers['accept-encoding'], stat.size)
  const length = range?.length ?? stat.size
  const headers: Record<string, string | number> = {}
  if (encoding === 'gzip') headers['content-encoding'] = 'gzip'
  else if (length > 0) headers['content-length'] = length
  if (range) headers['content-range'] = `bytes ${range.offset}-${range.offset + range.length - 1}/${stat.size}`
  const status = range ? 206 : 200
  if (request.method === 'HEAD') return void response.writeHead(status, headers).end()

  const part = length > 0 ? { offset: range?.offset ?? 0, length } : {}
  const { stream } = await call.guest.files
    .read(path, { ...acting(call), ...part }, signal)
    .catch((error) => fileRefusal(error, given))
  if (encoding === 'identity' && length === 0) {
    // To say of an empty file that it is empty, one has to look.
    const first = await stream.iterator({ destroyOnReturn: false }).next()
    if (first.done) return void response.writeHead(status, { ...headers, 'content-length': 0 }).end()
    response.writeHead(status, headers)
    response.write(first.value)
  } else response.writeHead(status, headers)
  // A file that became shorter meanwhile breaks the connection: `content-length` is held against it.
  const end = (error: unknown) => error && response.destroy()
  if (encoding === 'gzip') pipeline(stream, createGzip({ level: 1 }), response, end)
  else pipeline(stream, response, end)
}

/** Throws 406 when the client takes neither gzip nor the bytes as they are. */
function encodingFor(header: string | undefined, size: number): 'gzip' | 'identity' {
  const accepted = new Map(
    (header ?? '').split(',').map((part) => {
      const [name, ...parameters] = part.trim().toLowerCase().split(';')
      const quality = parameters.map((text) => /^\s*q=([\d.]+)\s*$/.exec(text)?.[1]).find((text) => text !== undefined)
      return [name!.trim(), quality === undefined ? 1 : Number(quality)] as const
    }),
  )
  const gzip = accepted.get('gzip') ?? 0
  const identity = accepted.get('identity') ?? accepted.get('*') ?? 1
  if (gzip > 0 && (size <= mostGzipBytes || identity === 0)) return 'gzip'
  if (identity > 0) return 'identity'
  throw new Refusal(406, 'only gzip and identity are offered as encodings')
}

/** A name as a header can carry it. */
function quoted(name: string): string {
  if (/^[A-Za-z0-9._-]+$/.test(name)) return name
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed())
  return `"${plain}"; filename*=utf-8''${encoded.replaceAll(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`)}`
}
