import { Type } from 'typebox'
import { allows } from '../../accounts/roles.ts'
import type { FileStat } from '../../engine/guest/files.ts'
import { WarrenError } from '../../errors.ts'
import { exactly } from '../exactly.ts'
import { octal, PathQuery, WriteQuery, withMode } from '../file-parameters.ts'
import type { Read, Written } from '../rpc/message.ts'
import type { RpcCall, ServiceDeps } from './call.ts'
import { checked } from './checked.ts'
import { guarded, guardedStream } from './guarded.ts'
import type * as messages from './messages.ts'
import { subjectOf } from './sandboxes.ts'

type Target = Read<typeof messages.UploadTarget>
type UploadPart = Read<typeof messages.UploadFileRequest>
type DownloadRequest = Read<typeof messages.DownloadFileRequest>
type DownloadPart = Written<typeof messages.DownloadFileResponse>
type FileMessage = Written<typeof messages.FileStat>

/** What an upload is for when nobody has said it yet. */
const nowhere: Target = { id: '', path: '', user: undefined, mode: undefined, size: undefined }

const Part = Type.Object(
  {
    ...PathQuery.properties,
    offset: Type.Optional(Type.Integer({ minimum: 0 })),
    length: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { additionalProperties: false },
)

export function uploadFile({ sandboxes, audit }: ServiceDeps) {
  const permission = 'sandboxes:exec'
  const write = guarded<Target & { data: AsyncIterable<Buffer> }, FileMessage>(
    audit,
    { permission, audit: 'file.write', subject: ({ id }) => id },
    async (call, { id, data, size, ...target }) => {
      const { path, ...query } = checked(WriteQuery, target)
      const { guest } = await sandboxes.running(subjectOf(call, id))
      const content = size === undefined ? data : ofSize(size, data)
      return written(await guest.files.write(path, content, { ...withMode(query), parents: true }, call.signal))
    },
  )
  return async (call: RpcCall, parts: AsyncIterable<UploadPart>): Promise<FileMessage> => {
    // Before anything is waited for: it is refused, and that recorded, before it runs.
    if (!allows(call.principal, permission))
      return write(call, { ...nowhere, data: bytesOf(parts[Symbol.asyncIterator]()) })
    const all = parts[Symbol.asyncIterator]()
    const first = await all.next()
    const target = first.done ? undefined : first.value.target
    if (!target) throw new WarrenError('invalid_request', 'the first message must have the field "target"')
    return write(call, { ...target, data: bytesOf(all) })
  }
}

async function* bytesOf(parts: AsyncIterator<UploadPart>): AsyncGenerator<Buffer> {
  for (let next = await parts.next(); !next.done; next = await parts.next()) {
    const { target, data } = next.value
    if (target) throw new WarrenError('invalid_request', 'only the first message may have the field "target"')
    if (data) yield data
  }
}

async function* ofSize(size: number, data: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const piece of data) {
    bytes += piece.length
    if (bytes > size) break
    yield piece
  }
  if (bytes === size) return
  const came = bytes > size ? 'more' : bytes
  throw new WarrenError('invalid_request', `the upload was said to have ${size} bytes, and ${came} came`)
}

export function downloadFile({ sandboxes, audit }: ServiceDeps) {
  return guardedStream<DownloadRequest, DownloadPart>(
    audit,
    { permission: 'sandboxes:exec', audit: 'file.read', reads: true, subject: ({ id }) => id },
    async function* (call, { id, ...request }) {
      const { path, offset = 0, length, ...acting } = checked(Part, request)
      const { guest } = await sandboxes.running(subjectOf(call, id))
      const stat = await guest.files.stat(path, acting)
      if (stat.type === 'directory') throw new WarrenError('invalid_request', `${path} is a directory, not a file`)
      yield { file: written(stat) }
      const part = partOf(stat, offset, length)
      if (part.length === 0) return
      const { stream } = await guest.files.read(path, { ...acting, ...part }, call.signal)
      const isKnown = stat.size > 0 && part.length !== undefined
      for await (const data of isKnown ? exactly(stream, part.length!) : stream) yield { data: data as Buffer }
    },
  )
}

/** Files of /proc say they are empty and are not: they are read to their end, whatever that is. */
function partOf({ size }: FileStat, offset: number, length: number | undefined): { offset?: number; length?: number } {
  if (size === 0) return { ...(offset > 0 ? { offset } : {}), ...(length === undefined ? {} : { length }) }
  return { offset, length: Math.max(0, Math.min(length ?? size, size - offset)) }
}

function written(stat: FileStat): FileMessage {
  return { ...stat, mode: octal(stat.mode), modifiedAt: new Date(stat.modifiedAt) }
}
