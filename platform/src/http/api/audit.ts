import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { RecordedEntry } from '../../audit/entry.ts'
import { readChain, verifyChain } from '../../audit/read-chain.ts'
import { searchAudit } from '../../audit/search.ts'
import type { Database } from '../../storage/database.ts'
import { json, named, problems } from './schema.ts'

const EntryView = Type.Object(
  {
    seq: Type.Integer({ description: 'Its place in the chain of the organisation, from 1, without gaps.' }),
    at: Type.String(),
    actorKind: Type.String({
      description:
        '`admin`, `key`, `user`, `service`; `token`: who has the token of a sandbox; `anyone`: whoever knows the id of one that needs no token; `signature`: who has a signed address; `provider`: who tells of payments; `platform`: itself, by a rule of the operator.',
    }),
    actor: Type.String(),
    action: Type.String(),
    subject: Type.String(),
    address: Type.String(),
    requestId: Type.String(),
    outcome: Type.Enum(['begun', 'done', 'refused', 'failed'], {
      description: '`begun` was written before the effect; what came of it has the same requestId.',
    }),
    status: Type.Optional(Type.Integer()),
    details: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: true })),
    hash: Type.String(),
  },
  { $id: 'AuditEntry' },
)
const EntryList = Type.Object(
  { entries: Type.Array(named(EntryView)), nextCursor: Type.Optional(Type.String()) },
  { $id: 'AuditList' },
)
const Verdict = Type.Object(
  {
    whole: Type.Boolean(),
    entries: Type.Integer(),
    head: Type.String({
      description: 'Hash of the last entry: keep it elsewhere, and you see whether the end was cut off.',
    }),
    brokenAt: Type.Optional(Type.Integer({ description: 'The first that is not what it was, or is missing.' })),
  },
  { $id: 'AuditVerdict' },
)
const Query = Type.Object(
  {
    actor: Type.Optional(Type.String({ maxLength: 128 })),
    action: Type.Optional(
      Type.String({ maxLength: 128, description: 'A verb; with a dot at its end, all that begin so: `file.`' }),
    ),
    subject: Type.Optional(Type.String({ maxLength: 300 })),
    from: Type.Optional(Type.String({ format: 'date-time' })),
    to: Type.Optional(Type.String({ format: 'date-time' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 20 })),
  },
  { additionalProperties: false },
)

export const auditSchemas = [EntryView, EntryList, Verdict]

/** /v1/audit: who did what in the organisation. */
export function auditRoutes(app: FastifyInstance, db: Database): void {
  app.get<{ Querystring: Static<typeof Query> }>(
    '/audit',
    {
      config: { permission: 'audit:read' },
      schema: {
        operationId: 'listAudit',
        summary: 'Search the audit log, newest first',
        tags: ['audit'],
        querystring: Query,
        response: { 200: json('A page.', EntryList), ...problems },
      },
    },
    async ({ account, query: { from, to, limit = 100, ...filter } }) => {
      const times = { from: from ? new Date(from) : undefined, to: to ? new Date(to) : undefined }
      const { entries, ...next } = await searchAudit(db, account.id, { ...filter, ...times, limit })
      return { entries: entries.map(viewOf), ...next }
    },
  )

  app.get(
    '/audit/export',
    {
      config: { permission: 'audit:read', audit: 'audit.export' },
      schema: {
        operationId: 'exportAudit',
        summary: 'The whole log, oldest first',
        description: 'One JSON object a line: `seq`, `entry` as the text that was hashed, `hash`.',
        tags: ['audit'],
        response: {
          200: { description: 'The log.', content: { 'application/x-ndjson': { schema: Type.String() } } },
          ...problems,
        },
      },
    },
    ({ account }, reply) =>
      reply.type('application/x-ndjson').send(Readable.from(lines(db, account.id), { objectMode: false })),
  )

  app.get(
    '/audit/verify',
    {
      config: { permission: 'audit:read' },
      schema: {
        operationId: 'verifyAudit',
        summary: 'Compute the chain of hashes anew',
        tags: ['audit'],
        response: { 200: json('Whether it is whole.', Verdict), ...problems },
      },
    },
    ({ account }) => verifyChain(db, account.id),
  )
}

async function* lines(db: Database, accountId: string): AsyncGenerator<string, void> {
  for await (const { seq, entry, hash } of readChain(db, accountId)) yield `${JSON.stringify({ seq, entry, hash })}\n`
}

function viewOf({ at, ...entry }: RecordedEntry): Static<typeof EntryView> {
  return { ...entry, at: new Date(at).toISOString() }
}
