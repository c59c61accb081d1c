import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { imagesBodyBytes } from '../../agents/images/image.ts'
import {
  AddMessage,
  AnswerApproval,
  BranchRun,
  ReplayRun,
  ReplayView,
  RunView,
  runStates,
  StartRun,
  StartSession,
} from '../../agents/run.ts'
import type { AgentRuns } from '../../agents/runs.ts'
import { WarrenError } from '../../errors.ts'
import { lastEventId, streamEvents } from '../sse.ts'
import { EntryView, entryView, RunEvent, runView } from './run-view.ts'
import { bytes, eventStream, json, named, problems } from './schema.ts'

const RunParams = Type.Object({ id: Type.String({ maxLength: 64 }) })
type ById = { Params: Static<typeof RunParams> }
const ApprovalParams = Type.Object({ id: Type.String({ maxLength: 64 }), approval: Type.String({ maxLength: 64 }) })

const ImageParams = Type.Object({
  id: Type.String({ maxLength: 64 }),
  hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
})

const strict = { additionalProperties: false }
const ListQuery = Type.Object(
  {
    agent: Type.Optional(Type.String({ maxLength: 64 })),
    state: Type.Optional(Type.Enum([...runStates])),
    before: Type.Optional(Type.String({ format: 'date-time', description: 'Only those that were made before.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  strict,
)
const after = Type.Optional(
  Type.Integer({ minimum: 0, default: 0, description: '`seq` of the last entry that is known.' }),
)
const EventsQuery = Type.Object({ after }, strict)
const TraceQuery = Type.Object(
  { after, limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })) },
  strict,
)

const RunList = Type.Object({ runs: Type.Array(named(RunView)) }, { $id: 'RunList' })
const Trace = Type.Object({ run: named(RunView), entries: Type.Array(named(EntryView)) }, { $id: 'RunTrace' })

export const runSchemas = [
  ReplayRun,
  ReplayView,
  BranchRun,
  StartRun,
  StartSession,
  AddMessage,
  AnswerApproval,
  RunView,
  RunList,
  EntryView,
  Trace,
  RunEvent,
]

/** /v1/runs and /v1/sessions: agents at work. A session is a run that waits for the next message after each answer. */
export function runRoutes(app: FastifyInstance, runs: AgentRuns): void {
  for (const [path, conversation, what] of [
    ['/runs', false, 'run'],
    ['/sessions', true, 'session'],
  ] as const) {
    const name = conversation ? 'AgentSession' : 'Run'
    app.post<{ Body: StartRun }>(
      path,
      {
        bodyLimit: imagesBodyBytes,
        config: { permission: 'agents:write', audit: `${what}.start` },
        schema: {
          operationId: `start${name}`,
          summary: conversation ? 'Begin a conversation with an agent' : 'Give an agent a task',
          tags: ['agents'],
          body: conversation ? named(StartSession) : named(StartRun),
          response: { 201: json('It is recorded, and begins.', RunView), ...problems },
        },
      },
      async ({ account, body }, reply) => {
        reply.code(201)
        return runView(conversation ? await runs.startSession(account, body) : await runs.start(account, body))
      },
    )
    app.get<{ Querystring: Static<typeof ListQuery> }>(
      path,
      {
        config: { permission: 'agents:read' },
        schema: {
          operationId: `list${name}s`,
          summary: `List ${what}s, newest first`,
          tags: ['agents'],
          querystring: ListQuery,
          response: { 200: json('At most `limit` of them.', RunList), ...problems },
        },
      },
      async ({ account, query: { before, limit = 100, ...filter } }) => {
        const found = await runs.list(account, {
          ...filter,
          ...(conversation && { conversation }),
          ...(before && { before: new Date(before) }),
          limit,
        })
        return { runs: found.map(runView) }
      },
    )
    app.get<ById>(
      `${path}/:id`,
      {
        config: { permission: 'agents:read' },
        schema: {
          operationId: `get${name}`,
          summary: `One ${what}`,
          tags: ['agents'],
          params: RunParams,
          response: { 200: json('As it is now.', RunView), ...problems },
        },
      },
      async ({ account, params }) => runView(await runs.get({ account, id: params.id })),
    )
    app.post<ById & { Body: AddMessage }>(
      `${path}/:id/messages`,
      {
        bodyLimit: imagesBodyBytes,
        config: { permission: 'agents:write', audit: `${what}.say` },
        schema: {
          operationId: `addMessageTo${name}`,
          summary: `Say something to a ${what}, also while it works`,
          tags: ['agents'],
          params: RunParams,
          body: named(AddMessage),
          response: { 202: json('It is kept, and read when its mode says.', RunView), ...problems },
        },
      },
      async ({ account, params, body }, reply) => {
        reply.code(202)
        return runView(await runs.addMessage({ account, id: params.id }, body))
      },
    )
  }

  app.get<ById & { Querystring: Static<typeof TraceQuery> }>(
    '/runs/:id/trace',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'getRunTrace',
        summary: 'What happened in a run, in order',
        tags: ['agents'],
        params: RunParams,
        querystring: TraceQuery,
        response: { 200: json('The run and its journal.', Trace), ...problems },
      },
    },
    async ({ account, params: { id }, query: { after: from = 0, limit = 1000 } }) => {
      const run = await runs.get({ account, id })
      return {
        run: runView(run),
        entries: (await runs.entries({ account, id }, { after: from, limit })).map(entryView),
      }
    },
  )

  app.get<{ Params: Static<typeof ImageParams> }>(
    '/runs/:id/images/:hash',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'getRunImage',
        summary: 'An image that a run was shown, by the hash that its trace names',
        tags: ['agents'],
        params: ImageParams,
        response: {
          200: { description: 'PNG, JPEG, GIF or WebP, as Content-Type says.', content: bytes },
          ...problems,
        },
      },
    },
    async ({ account, params: { id, hash } }, reply) => {
      const { mediaType, data } = await runs.image({ account, id }, hash)
      // It comes from whoever gave it, or from a tool: it is to be looked at, and not to be a page of ours.
      reply.header('content-disposition', 'attachment').header('x-content-type-options', 'nosniff')
      return reply.type(mediaType).send(Buffer.from(data, 'base64'))
    },
  )

  app.get<ById & { Querystring: Static<typeof EventsQuery> }>(
    '/runs/:id/events',
    {
      config: { permission: 'agents:read' },
      schema: {
        operationId: 'followRun',
        summary: 'What happened in a run and what happens, until it ends or waits',
        description:
          'Each entry has its `seq` as the id of its event: a client that comes back with it as the header Last-Event-ID, as EventSource does, or as `after`, misses none.',
        tags: ['agents'],
        params: RunParams,
        querystring: EventsQuery,
        response: { 200: eventStream('Its entries, and what the model says meanwhile.', RunEvent), ...problems },
      },
    },
    async (request, reply) => {
      const { account, params, query } = request
      const subject = { account, id: params.id }
      const from = seqOf(lastEventId(request)) ?? query.after ?? 0
      await runs.get(subject)
      await streamEvents(request, reply, async (stream, signal) => {
        for await (const news of runs.follow(subject, from, signal)) {
          if ('entry' in news) await stream.send('entry', entryView(news.entry), String(news.entry.seq))
          else if ('delta' in news) await stream.send('delta', news.delta)
          else await stream.send('run', runView(news.run))
        }
      })
    },
  )

  app.post<ById>(
    '/runs/:id/cancel',
    {
      config: { permission: 'agents:write', audit: 'run.cancel' },
      schema: {
        operationId: 'cancelRun',
        summary: 'End a run; what it does is given up',
        tags: ['agents'],
        params: RunParams,
        response: { 202: json('It ends as soon as it can.', RunView), ...problems },
      },
    },
    async ({ account, params }, reply) => {
      reply.code(202)
      return runView(await runs.cancel({ account, id: params.id }))
    },
  )

  app.post<{ Params: Static<typeof ApprovalParams>; Body: AnswerApproval }>(
    '/runs/:id/approvals/:approval',
    {
      config: { permission: 'agents:write', audit: 'run.approve' },
      schema: {
        operationId: 'answerApproval',
        summary: 'Answer what a human was asked; the run goes on',
        tags: ['agents'],
        params: ApprovalParams,
        body: named(AnswerApproval),
        response: { 200: json('It goes on.', RunView), ...problems },
      },
    },
    async ({ account, params: { id, approval }, body }) => runView(await runs.answer({ account, id }, approval, body)),
  )

  app.post<ById & { Body: ReplayRun }>(
    '/runs/:id/replay',
    {
      config: { permission: 'agents:read', audit: 'run.replay' },
      schema: {
        operationId: 'replayRun',
        summary: 'Do a run again with its recorded answers, and tell where it becomes another',
        tags: ['agents'],
        params: RunParams,
        body: named(ReplayRun),
        response: { 200: json('Whether it diverged, and where.', ReplayView), ...problems },
      },
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async ({ account, params: { id }, body }) => runs.replay({ account, id }, body),
  )

  for (const [verb, status, summary] of [
    ['fork', 201, 'Another run goes on from a step of this one, with the conversation and the disk of then'],
    ['rollback', 200, 'A run goes on from an earlier step of its own, as if what came after had not been'],
  ] as const)
    app.post<ById & { Body: BranchRun }>(
      `/runs/:id/${verb}`,
      {
        config: { permission: 'agents:write', audit: `run.${verb}` },
        schema: {
          operationId: `${verb}Run`,
          summary,
          tags: ['agents'],
          params: RunParams,
          body: named(BranchRun),
          response: { [status]: json('The run that goes on.', RunView), ...problems },
        },
      },
      async ({ account, params: { id }, body }, reply) => {
        reply.code(status)
        return runView(await runs[verb]({ account, id }, body))
      },
    )
}

function seqOf(id: string | undefined): number | undefined {
  if (!id) return undefined
  if (/^\d{1,9}$/.test(id)) return Number(id)
  throw new WarrenError('invalid_request', `Last-Event-ID must be the id of an entry, not "${id.slice(0, 60)}"`)
}
