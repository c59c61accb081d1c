import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Instance } from '../../engine/engine.ts'
import type { FileStat } from '../../engine/guest/files.ts'
import { contentRoot } from '../../volumes/content.ts'
import type { Volumes } from '../../volumes/volumes.ts'
import { auditTrail } from '../audit-trail.ts'
import { clientGone } from '../client-gone.ts'
import { credentialsOf } from '../credentials.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { rawBody } from '../raw-body.ts'
import { Refusal, refusalOf, retryHeaders } from './refusal.ts'
import type { SandboxTokens } from './tokens.ts'

const ByVolume = Type.Object({ volumeID: Type.String({ maxLength: 64 }) })
const Id = Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 }))
const Mode = Type.Optional(Type.Integer({ minimum: 0, maximum: 0o7777 }))
const attributes = { uid: Id, gid: Id, mode: Mode }
const AtPath = Type.Object({ path: Type.String({ maxLength: 4096 }) })
const ListQuery = Type.Object({
  path: Type.String({ maxLength: 4096 }),
  depth: Type.Optional(Type.Integer({ minimum: 0, maximum: 64 })),
})
const WriteQuery = Type.Object({
  path: Type.String({ maxLength: 4096 }),
  force: Type.Optional(Type.Boolean()),
  ...attributes,
})
const Attributes = Type.Object(attributes, { additionalProperties: false })
type Attributes = Static<typeof Attributes>

interface Deps {
  volumes: Volumes
  gateway: Gateway
  tokens: SandboxTokens
  audit: AuditLog
}

/** What is in volumes, for whoever has the token of one. Paths begin at the volume; no link in it leads out of it. */
export function e2bVolumeContentRoutes(app: FastifyInstance, { volumes, gateway, tokens, audit }: Deps): void {
  auditTrail(app, audit)
  app.addHook('onRoute', (route) => {
    route.schema = { ...route.schema, hide: true, params: ByVolume }
  })
  app.addHook('onRequest', async (request, reply) => {
    const exchange = { request: request.raw, response: reply.raw }
    await gateway.admitAnyone(exchange)
    const { volumeID } = request.params as Static<typeof ByVolume>
    if (!tokens.isVolume(volumeID, credentialsOf(request.headers).key))
      throw await gateway.failed(exchange, new Refusal(401, 'the token is missing or is not that of this volume'))
    // By whom it was made is not in a token.
    request.auditedAs = { accountId: await volumes.ownerOf(volumeID), actorKind: 'token', actor: volumeID }
  })
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const { status, body } = refusalOf(error, request.id)
    if (status === 500) request.log.error({ err: error, requestId: request.id, url: request.url }, 'request failed')
    request.raw.resume()
    reply.headers(retryHeaders(error, status))
    const code = (error as { code?: string }).code ?? String(status)
    return reply.code(status).send({ code, message: body.message })
  })
  const inside = <T>({ params }: FastifyRequest, work: (instance: Instance) => Promise<T>) =>
    volumes.content((params as Static<typeof ByVolume>).volumeID, work)

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    '/volumecontent/:volumeID/dir',
    { config: { audit: 'file.list' }, schema: { querystring: ListQuery } },
    async (request) =>
      inside(request, async (instance) => {
        const path = await resolved(instance, request.query.path)
        const entries: object[] = []
        const { depth = 1 } = request.query
        for await (const stat of instance.guest.files.list(path, { asAgent: true, depth: depth || 1 }))
          entries.push(entryOf(stat))
        return entries
      }),
  )

  app.post<{ Querystring: Static<typeof WriteQuery> }>(
    '/volumecontent/:volumeID/dir',
    { config: { audit: 'file.make_directory', before: true }, schema: { querystring: WriteQuery } },
    async (request, reply) =>
      inside(request, async (instance) => {
        const path = await resolved(instance, request.query.path)
        const parents = request.query.force === true
        await instance.guest.files.mkdir(path, { asAgent: true, parents })
        reply.code(201)
        return withAttributes(instance, path, request.query)
      }),
  )

  app.get<{ Querystring: Static<typeof AtPath> }>(
    '/volumecontent/:volumeID/path',
    { config: { audit: 'file.stat' }, schema: { querystring: AtPath } },
    async (request) =>
      inside(request, async (instance) => {
        const path = await resolved(instance, request.query.path, { last: false })
        return entryOf(await instance.guest.files.stat(path, { asAgent: true, nofollow: true }))
      }),
  )

  app.patch<{ Querystring: Static<typeof AtPath>; Body: Attributes }>(
    '/volumecontent/:volumeID/path',
    { config: { audit: 'file.set_attributes', before: true }, schema: { querystring: AtPath, body: Attributes } },
    async (request) =>
      inside(request, async (instance) => {
        const path = await resolved(instance, request.query.path)
        await instance.guest.files.stat(path, { asAgent: true })
        return withAttributes(instance, path, request.body)
      }),
  )

  app.delete<{ Querystring: Static<typeof AtPath> }>(
    '/volumecontent/:volumeID/path',
    { config: { audit: 'file.remove', before: true }, schema: { querystring: AtPath } },
    async (request, reply) =>
      inside(request, async (instance) => {
        const path = await resolved(instance, request.query.path, { last: false })
        if (path === contentRoot) throw new Refusal(400, 'the volume itself is not removed by this')
        await instance.guest.files.stat(path, { asAgent: true, nofollow: true })
        await instance.guest.files.remove(path, { asAgent: true, recursive: true })
        return reply.code(204).send()
      }),
  )

  app.get<{ Querystring: Static<typeof AtPath> }>(
    '/volumecontent/:volumeID/file',
    { config: { audit: 'file.read' }, schema: { querystring: AtPath } },
    async (request, reply) => {
      const signal = clientGone(reply.raw)
      const ended = Promise.withResolvers<void>()
      const opened = Promise.withResolvers<{ stat: FileStat; stream: Readable }>()
      // The volume stays open until the last of the file is sent.
      inside(request, async (instance) => {
        const path = await resolved(instance, request.query.path)
        const { type } = await instance.guest.files.stat(path, { asAgent: true })
        if (type !== 'file') throw new Refusal(400, `path '${request.query.path}' is not a file`)
        opened.resolve(await instance.guest.files.read(path, { asAgent: true }, signal))
        await ended.promise
      }).catch(opened.reject)
      const { stat, stream } = await opened.promise
      stream.once('close', ended.resolve)
      return reply.type('application/octet-stream').header('content-length', stat.size).send(stream)
    },
  )

  app.register((raw, _options, done) => {
    rawBody(raw)
    raw.put<{ Querystring: Static<typeof WriteQuery>; Body: Readable }>(
      '/volumecontent/:volumeID/file',
      { config: { audit: 'file.write', before: true }, schema: { querystring: WriteQuery } },
      async (request, reply) =>
        inside(request, async (instance) => {
          const path = await resolved(instance, request.query.path)
          const source = (request.body ?? []) as AsyncIterable<Buffer>
          await instance.guest.files.write(path, source, { asAgent: true, parents: true }, clientGone(reply.raw))
          reply.code(201)
          return withAttributes(instance, path, request.query)
        }),
    )
    done()
  })
}

/**
 * Where a path of the volume is inside, with the links in it followed; of its last part only where `last` says so. Throws 400
 * where that is not in the volume, 404 where a folder on the way is missing or a link leads nowhere.
 */
async function resolved(instance: Instance, given: string, { last = true } = {}): Promise<string> {
  if (given.includes('\0')) throw new Refusal(400, 'a path has no NUL')
  const path = posix.join(contentRoot, posix.normalize(`/${given}`)).replace(/(.)\/$/, '$1')
  if (path === contentRoot) return path
  const asked = last ? path : posix.dirname(path)
  const process = await instance.guest.exec({ argv: ['realpath', '-mz', '--', asked], cwd: '/' })
  const out = process.output()
  const chunks: Buffer[] = []
  for await (const { data } of out) chunks.push(data)
  const { exitCode } = await process.exit
  const real = Buffer.concat(chunks).toString().replace(/\0$/, '')
  if (exitCode !== 0) throw new Refusal(400, `path '${given.slice(0, 200)}' cannot be followed`)
  if (real !== contentRoot && !real.startsWith(`${contentRoot}/`))
    throw new Refusal(400, `path '${given.slice(0, 200)}' leads out of the volume`)
  return last ? real : posix.join(real, posix.basename(path))
}

async function withAttributes(instance: Instance, path: string, { uid, gid, mode }: Attributes): Promise<object> {
  const { files } = instance.guest
  // On the rung without a root inside, there is one user, to whom all belongs.
  const user = instance.driver.isolation === 'namespaces' ? undefined : 'root'
  if (uid !== undefined || gid !== undefined) {
    const stat = await files.stat(path, { asAgent: true })
    await files.chown(path, String(uid ?? stat.uid), String(gid ?? stat.gid))
  }
  if (mode !== undefined) await files.chmod(path, mode, user ? { user } : {})
  return entryOf(await files.stat(path, { asAgent: true, nofollow: true }))
}

const types = { file: 'file', directory: 'directory', symlink: 'symlink', other: 'unknown' } as const

function entryOf(stat: FileStat): object {
  const at = new Date(stat.modifiedAt).toISOString()
  const path = stat.path.slice(contentRoot.length) || '/'
  return {
    name: posix.basename(path),
    type: types[stat.type],
    path,
    size: stat.size,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    // The guest tells of changes alone.
    atime: at,
    mtime: at,
    ctime: at,
    ...(stat.symlinkTarget === undefined ? {} : { target: stat.symlinkTarget }),
  }
}
