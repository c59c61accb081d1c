import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { AgentName } from '../../agents/agent.ts'
import { type AgentDocument, mostDocumentBytes, PutDocument } from '../../agents/memory/documents.ts'
import type { AgentRuns } from '../../agents/runs.ts'
import { json, Nothing, named, problems } from './schema.ts'

const text = { format: 'plain-text' }

const common = {
  id: Type.String(),
  name: Type.String(text),
  kind: Type.Enum(['markdown', 'code', 'text']),
  bytes: Type.Integer(),
  at: Type.String({ format: 'date-time' }),
}
const DocumentView = Type.Object(common, { $id: 'Document' })
const DocumentList = Type.Object({ documents: Type.Array(named(DocumentView)) }, { $id: 'DocumentList' })
const WholeDocument = Type.Object({ ...common, text: Type.String(text) }, { $id: 'WholeDocument' })
const PassageView = Type.Object(
  {
    documentId: Type.String(),
    name: Type.String({ description: 'Of the document.', ...text }),
    headings: Type.Array(Type.String(text), { description: 'That it stands below, outermost first.' }),
    firstLine: Type.Integer(),
    lastLine: Type.Integer(),
    text: Type.String(text),
    at: Type.String({ format: 'date-time', description: 'When the document was put.' }),
  },
  { $id: 'Passage' },
)
const PassageList = Type.Object(
  {
    passages: Type.Array(named(PassageView)),
    by: Type.Enum(['words', 'vectors'], {
      description:
        'Whether vectors of the operator’s model had a say for each document, or words and how they are written alone.',
    }),
  },
  { $id: 'PassageList' },
)
export const documentSchemas = [PutDocument, DocumentView, DocumentList, WholeDocument, PassageView, PassageList]

const PassageQuery = Type.Object({
  like: Type.String({ minLength: 1, maxLength: 2000, description: 'What is to be looked up.', ...text }),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 10 })),
  tokens: Type.Optional(
    Type.Integer({
      minimum: 100,
      maximum: 100_000,
      default: 2000,
      description: 'They take so many at most, together.',
    }),
  ),
})
const DocumentsParams = Type.Object({ name: AgentName })
const DocumentParams = Type.Object({ name: AgentName, document: Type.String({ maxLength: 64 }) })

/** /v1/agents/NAME/documents and /v1/agents/NAME/passages: what an agent can look up. */
export function documentRoutes(app: FastifyInstance, { documents }: AgentRuns): void {
  app.post<{ Params: Static<typeof DocumentsParams>; Body: PutDocument }>(
    '/agents/:name/documents',
    {
      // A byte is at most six in JSON.
      bodyLimit: 6 * mostDocumentBytes + 4096,
      config: { permission: 'agents:write', audit: 'document.put' },
      schema: {
        operationId: 'putDocument',
        summary: 'Give an agent a document, or another text in the place of the one of its name',
        tags: ['agents'],
        params: DocumentsParams,
        body: named(PutDocument),
        response: { 200: json('It is found from now on.', DocumentView), ...problems },
      },
    },
    async ({ account, params: { name }, body }) => viewOf(await documents.put(account, name, body)),
  )

  app.get<{ Params: Static<typeof DocumentsParams> }>(
    '/agents/:name/documents',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'listDocuments',
        summary: 'The documents of an agent, by their names',
        tags: ['agents'],
        params: DocumentsParams,
        response: { 200: json('All of them.', DocumentList), ...problems },
      },
    },
    async ({ account, params: { name } }) => ({ documents: (await documents.list(account, name)).map(viewOf) }),
  )

  app.get<{ Params: Static<typeof DocumentParams> }>(
    '/agents/:name/documents/:document',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'getDocument',
        summary: 'A document of an agent with its text',
        tags: ['agents'],
        params: DocumentParams,
        response: { 200: json('The document.', WholeDocument), ...problems },
      },
    },
    async ({ account, params: { name, document } }) => {
      const found = await documents.get(account, name, document)
      return { ...viewOf(found), text: found.text }
    },
  )

  app.delete<{ Params: Static<typeof DocumentParams> }>(
    '/agents/:name/documents/:document',
    {
      config: { permission: 'agents:write', audit: 'document.delete' },
      schema: {
        operationId: 'deleteDocument',
        summary: 'Take a document away from an agent',
        tags: ['agents'],
        params: DocumentParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params: { name, document } }, reply) => {
      await documents.remove(account, name, document)
      return reply.code(204).send()
    },
  )

  app.get<{ Params: Static<typeof DocumentsParams>; Querystring: Static<typeof PassageQuery> }>(
    '/agents/:name/passages',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'findPassages',
        summary: 'What the documents of an agent say about something: the best passages first, as its runs find them',
        tags: ['agents'],
        params: DocumentsParams,
        querystring: PassageQuery,
        response: { 200: json('At most as many as asked for.', PassageList), ...problems },
      },
    },
    async ({ account, params: { name }, query: { like, limit = 10, tokens = 2000 } }) => {
      const { passages, by } = await documents.search(account, name, { like, limit, tokens })
      return { passages: passages.map(({ at, ...passage }) => ({ ...passage, at: at.toISOString() })), by }
    },
  )
}

function viewOf({ id, name, kind, bytes, at }: AgentDocument) {
  return { id, name, kind, bytes, at: at.toISOString() }
}
