import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { type Static, Type } from 'typebox'
import type { FileStat } from '../../engine/guest/files.ts'
import { WarrenError } from '../../errors.ts'
import { plainText } from '../../sandboxes/sandbox.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { byteRange } from '../byte-range.ts'
import { clientGone } from '../client-gone.ts'
import { exactly } from '../exactly.ts'
import { mode, octal, PathQuery, path, user, WriteQuery, withMode } from '../file-parameters.ts'
import { rawBody } from '../raw-body.ts'
import { streamEvents } from '../sse.ts'
import { bytes, event, eventStream, failureEvent, json, Nothing, named, problems, SandboxParams } from './schema.ts'

const FileView = Type.Object(
  {
    path: Type.String(),
    name: Type.String(),
    type: Type.Enum(['file', 'directory', 'symlink', 'other']),
    size: Type.Number({ description: 'Bytes.' }),
    mode: Type.String({ description: 'Permissions in octal, such as 0644.' }),
    uid: Type.Integer(),
    gid: Type.Integer(),
    owner: Type.String(),
    group: Type.String(),
    modifiedAt: Type.String({ format: 'date-time' }),
    symlinkTarget: Type.Optional(Type.String()),
  },
  { $id: 'FileStat' },
)
const FileList = Type.Object({ entries: Type.Array(named(FileView)) }, { $id: 'FileList' })

const strict = { additionalProperties: false }
const RemoveQuery = Type.Object({ path, user, recursive: Type.Optional(Type.Boolean()) }, strict)
const ListQuery = Type.Object(
  {
    path,
    user,
    depth: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, default: 1, description: '0: everything below.' })),
  },
  strict,
)
const WatchQuery = Type.Object({ path, user, recursive: Type.Optional(Type.Boolean()) }, strict)

const MakeDirectory = Type.Object({ path, user, mode: Type.Optional(mode) }, { $id: 'MakeDirectory', ...strict })
const MoveFile = Type.Object({ from: path, to: path, user }, { $id: 'MoveFile', ...strict })
const ChangeMode = Type.Object({ path, mode, user }, { $id: 'ChangeMode', ...strict })
const name = Type.String({ minLength: 1, maxLength: 64, ...plainText, description: 'A name or a number.' })
const ChangeOwner = Type.Object({ path, owner: name, group: Type.Optional(name) }, { $id: 'ChangeOwner', ...strict })

const FileChange = Type.Object(
  {
    type: Type.Enum(['create', 'write', 'remove', 'rename', 'chmod', 'overflow'], {
      description: 'overflow: changes were lost, look for yourself.',
    }),
    path: Type.String({ description: 'Below the watched folder.' }),
    at: Type.String({ format: 'date-time' }),
  },
  { $id: 'FileChange' },
)
const FileEvent = Type.Union(
  [
    event('ready', Type.Object({}), 'The first: from here on nothing is missed.'),
    event('change', named(FileChange), 'Something changed.'),
    failureEvent,
  ],
  {
    $id: 'FileEvent',
    description: 'One event of a watch: the name of its `event` line and the JSON of its `data` line.',
  },
)

export const fileSchemas = [FileView, FileList, FileChange, FileEvent, MakeDirectory, MoveFile, ChangeMode, ChangeOwner]

type ById = { Params: Static<typeof SandboxParams> }

/** More entries than this are not listed in one answer. */
const maxEntries = 100_000

/** /v1/sandboxes/:id/files. Every path is resolved inside the sandbox, by its own kernel namespace and user. */
export async function fileRoutes(app: FastifyInstance, sandboxes: Sandboxes): Promise<void> {
  app.get<ById & { Querystring: Static<typeof PathQuery> }>(
    '/sandboxes/:id/files',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.read' },
      schema: {
        operationId: 'readFile',
        summary: 'Download a file of any size, or the `Range` of it',
        tags: ['files'],
        params: SandboxParams,
        querystring: PathQuery,
        response: {
          200: { description: 'The bytes of the file.', content: bytes },
          206: { description: 'The bytes of the range, as `Content-Range` says.', content: bytes },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, query } = request
      const { guest } = await sandboxes.running({ account, id: params.id })
      const stat = await guest.files.stat(query.path, query)
      if (stat.type === 'directory')
        throw new WarrenError('invalid_request', `${query.path} is a directory, not a file`)
      // Files of /proc say they are empty and are not: they are read to their end, whatever that is.
      const range = stat.size > 0 ? byteRange(request.headers.range, stat.size) : undefined
      const length = range ? range.length : stat.size
      const part = length > 0 ? { offset: range?.offset ?? 0, length } : {}
      const { stream } = await guest.files.read(query.path, { ...query, ...part }, clientGone(reply.raw))
      return sendFile(reply, stat, { stream, length, range })
    },
  )

  app.get<ById & { Querystring: Static<typeof PathQuery> }>(
    '/sandboxes/:id/files/stat',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.stat' },
      schema: {
        operationId: 'statFile',
        summary: 'What a file is',
        tags: ['files'],
        params: SandboxParams,
        querystring: PathQuery,
        response: { 200: json('What it is.', FileView), ...problems },
      },
    },
    async ({ account, params, query }) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      return viewOf(await guest.files.stat(query.path, query))
    },
  )

  app.get<ById & { Querystring: Static<typeof ListQuery> }>(
    '/sandboxes/:id/files/list',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.list' },
      schema: {
        operationId: 'listFiles',
        summary: 'What lies in a folder',
        tags: ['files'],
        params: SandboxParams,
        querystring: ListQuery,
        response: { 200: json('What lies there.', FileList), ...problems },
      },
    },
    async ({ account, params, query }, reply) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      const entries: Static<typeof FileView>[] = []
      for await (const stat of guest.files.list(query.path, query, clientGone(reply.raw))) {
        entries.push(viewOf(stat))
        if (entries.length > maxEntries) {
          throw new WarrenError('too_large', `there are more than ${maxEntries} entries below ${query.path}`, {
            hint: 'List with a smaller depth.',
          })
        }
      }
      return { entries }
    },
  )

  app.get<ById & { Querystring: Static<typeof WatchQuery> }>(
    '/sandboxes/:id/files/watch',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.watch' },
      schema: {
        operationId: 'watchFiles',
        summary: 'Watch a folder',
        tags: ['files'],
        params: SandboxParams,
        querystring: WatchQuery,
        response: {
          200: eventStream('Changes as they happen, until the client goes away.', FileEvent),
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, query } = request
      const { guest } = await sandboxes.running({ account, id: params.id })
      const changes = await guest.files.watch(query.path, query, clientGone(reply.raw))
      return streamEvents(request, reply, async ({ send }) => {
        await send('ready', {})
        for await (const change of changes) await send('change', { ...change, at: new Date(change.at).toISOString() })
        throw new WarrenError('unavailable', 'the watch ended: the sandbox does not answer any more')
      })
    },
  )

  app.delete<ById & { Querystring: Static<typeof RemoveQuery> }>(
    '/sandboxes/:id/files',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.remove' },
      schema: {
        operationId: 'removeFile',
        summary: 'Remove a file or an empty folder; with `recursive` a full one too',
        tags: ['files'],
        params: SandboxParams,
        querystring: RemoveQuery,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params, query }, reply) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      await guest.files.remove(query.path, query)
      return reply.code(204).send()
    },
  )

  app.post<ById & { Body: Static<typeof MakeDirectory> }>(
    '/sandboxes/:id/files/mkdir',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.make_directory' },
      schema: {
        operationId: 'makeDirectory',
        summary: 'Make a folder and those on the way to it; it may exist',
        tags: ['files'],
        params: SandboxParams,
        body: named(MakeDirectory),
        response: { 201: json('The folder.', FileView), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      reply.code(201)
      return viewOf(await guest.files.mkdir(body.path, { ...withMode(body), parents: true }))
    },
  )

  app.post<ById & { Body: Static<typeof MoveFile> }>(
    '/sandboxes/:id/files/move',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.move' },
      schema: {
        operationId: 'moveFile',
        summary: 'Move a file or a folder',
        tags: ['files'],
        params: SandboxParams,
        body: named(MoveFile),
        response: { 200: json('The file at its new place.', FileView), ...problems },
      },
    },
    async ({ account, params, body }) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      return viewOf(await guest.files.move(body.from, body.to, body))
    },
  )

  app.post<ById & { Body: Static<typeof ChangeMode> }>(
    '/sandboxes/:id/files/chmod',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.change_mode' },
      schema: {
        operationId: 'changeFileMode',
        summary: 'Change the permissions of a file',
        tags: ['files'],
        params: SandboxParams,
        body: named(ChangeMode),
        response: { 200: json('The file, with its new permissions.', FileView), ...problems },
      },
    },
    async ({ account, params, body }) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      return viewOf(await guest.files.chmod(body.path, Number.parseInt(body.mode, 8), body))
    },
  )

  app.post<ById & { Body: Static<typeof ChangeOwner> }>(
    '/sandboxes/:id/files/chown',
    {
      config: { permission: 'sandboxes:exec', audit: 'file.change_owner' },
      schema: {
        operationId: 'changeFileOwner',
        summary: 'Change the owner of a file, as root of the sandbox',
        tags: ['files'],
        params: SandboxParams,
        body: named(ChangeOwner),
        response: { 200: json('The file, with its new owner.', FileView), ...problems },
      },
    },
    async ({ account, params, body }) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      return viewOf(await guest.files.chown(body.path, body.owner, body.group))
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put<ById & { Querystring: Static<typeof WriteQuery>; Body: Readable | undefined }>(
      '/sandboxes/:id/files',
      {
        config: { permission: 'sandboxes:exec', audit: 'file.write' },
        schema: {
          operationId: 'writeFile',
          summary: 'Upload a file of any size; folders on the way are made',
          tags: ['files'],
          consumes: ['application/octet-stream'],
          params: SandboxParams,
          querystring: WriteQuery,
          response: { 200: json('The file, as it lies there now.', FileView), ...problems },
        },
      },
      async ({ account, params, query, body }) => {
        const { guest } = await sandboxes.running({ account, id: params.id })
        // A refusal must not destroy what is left of the body: the connection would go with it, and the answer.
        const source = body?.iterator({ destroyOnReturn: false }) ?? Buffer.alloc(0)
        return viewOf(await guest.files.write(query.path, source, { ...withMode(query), parents: true }))
      },
    )
    done()
  })
}

function viewOf(stat: FileStat): Static<typeof FileView> {
  return { ...stat, mode: octal(stat.mode), modifiedAt: new Date(stat.modifiedAt).toISOString() }
}

function sendFile(
  reply: FastifyReply,
  stat: FileStat,
  part: { stream: Readable; length: number; range: { offset: number; length: number } | undefined },
): FastifyReply {
  const { stream, length, range } = part
  reply.header('content-type', 'application/octet-stream')
  reply.header('x-file-mode', octal(stat.mode))
  reply.header('last-modified', new Date(stat.modifiedAt).toUTCString())
  reply.header('accept-ranges', 'bytes')
  if (range) {
    reply.code(206)
    reply.header('content-range', `bytes ${range.offset}-${range.offset + range.length - 1}/${stat.size}`)
  }
  if (length === 0) return reply.send(stream)
  reply.header('content-length', length)
  return reply.send(Readable.from(exactly(stream, length), { objectMode: false }))
}
