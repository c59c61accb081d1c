import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { ContextOutcome } from '../../engine/guest/context-execution.ts'
import { type Context, CreateContext, contextLanguages, ExecuteInContext } from '../../sandboxes/contexts/context.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { signalName } from '../../sandboxes/signal.ts'
import { clientGone } from '../client-gone.ts'
import { streamEvents } from '../sse.ts'
import { sendContextEvents } from '../stream-context.ts'
import { OutputText } from './executions.ts'
import { event, eventStream, failureEvent, json, Nothing, named, problems, SandboxParams } from './schema.ts'

const ContextParams = Type.Object({ id: Type.String({ maxLength: 64 }), contextId: Type.String({ maxLength: 64 }) })

type ById = { Params: Static<typeof SandboxParams> }
type ByContext = { Params: Static<typeof ContextParams> }

const ContextView = Type.Object(
  {
    id: Type.String(),
    language: Type.Enum([...contextLanguages]),
    state: Type.Enum(['idle', 'busy'], { description: 'busy while it runs something.' }),
    cwd: Type.String({ description: 'Where it began.' }),
    createdAt: Type.String({ format: 'date-time' }),
  },
  { $id: 'Context', description: 'An interpreter that keeps what it has been told.' },
)

const ContextList = Type.Object({ contexts: Type.Array(named(ContextView)) }, { $id: 'ContextList' })

const Form = (description: string) => Type.Optional(Type.String({ description }))

const ContextResultView = Type.Object(
  {
    main: Type.Boolean({
      description: 'Whether it is what the last expression was worth; else it was shown on the way.',
    }),
    text: Form('As the language writes it.'),
    html: Form('text/html'),
    markdown: Form('text/markdown'),
    svg: Form('image/svg+xml'),
    png: Form('image/png in base64'),
    jpeg: Form('image/jpeg in base64'),
    pdf: Form('application/pdf in base64'),
    latex: Form('text/latex'),
    javascript: Form('application/javascript'),
    json: Type.Optional(Type.Unknown({ description: 'Of lists and objects.' })),
    data: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: 'The columns of a table of pandas.' }),
    ),
    chart: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description:
          'What a figure of matplotlib shows, as numbers; its `type` is line, scatter, bar, pie, box_and_whisker, superchart or unknown.',
      }),
    ),
    extra: Type.Record(Type.String(), Type.Unknown(), { description: 'Forms of other types, by MIME type.' }),
  },
  {
    $id: 'ContextResult',
    description: 'Something that code has shown, in all the forms it has. It comes from the sandbox.',
  },
)

const outcomeSchemas = {
  reason: Type.Enum(['completed', 'raised', 'timeout', 'died', 'out_of_memory'], {
    description: 'After died and out_of_memory the context is gone.',
  }),
  result: Type.Optional(Type.String({ description: 'What the last expression was worth, as the language writes it.' })),
  error: Type.Optional(Type.Object({ name: Type.String(), message: Type.String(), traceback: Type.String() })),
  exitCode: Type.Optional(Type.Integer({ description: 'Of an interpreter that died.' })),
  signal: Type.Optional(Type.String({ description: 'The signal that ended the interpreter, such as SIGKILL.' })),
}

const ContextOutcomeView = Type.Object(outcomeSchemas, {
  $id: 'ContextOutcome',
  description: 'How a piece of code went.',
})

const ContextExecutionView = Type.Object(
  {
    stdout: Type.String(),
    stderr: Type.String(),
    results: Type.Array(named(ContextResultView), {
      description: 'What was shown, in its order. Up to 16 MiB are kept.',
    }),
    ...outcomeSchemas,
    ms: Type.Number({ description: 'Run time in milliseconds.' }),
    truncated: Type.Boolean({ description: 'Some output is missing.' }),
  },
  { $id: 'ContextExecution', description: 'Code that ran to its end. Up to 8 MiB of each stream are kept.' },
)

const ContextEvent = Type.Union(
  [
    event('stdout', named(OutputText), 'A piece of standard output.'),
    event('stderr', named(OutputText), 'A piece of standard error.'),
    event('result', named(ContextResultView), 'Something that was shown.'),
    event('outcome', named(ContextOutcomeView), 'The last, after all output.'),
    failureEvent,
  ],
  {
    $id: 'ContextEvent',
    description: 'One event of an execution: the name of its `event` line and the JSON of its `data` line.',
  },
)

export const contextSchemas = [
  ...[CreateContext, ExecuteInContext, ContextView, ContextList],
  ...[ContextResultView, ContextOutcomeView, ContextExecutionView, ContextEvent],
]

/** /v1/sandboxes/:id/contexts: interpreters that keep what they have been told. */
export function contextRoutes(app: FastifyInstance, { contexts }: Sandboxes): void {
  app.post<ById & { Body: CreateContext }>(
    '/sandboxes/:id/contexts',
    {
      config: { permission: 'sandboxes:exec', audit: 'context.create' },
      schema: {
        operationId: 'createContext',
        summary: 'Start an interpreter that keeps its state between executions',
        description:
          'One of Python is forked from one that has numpy, pandas, matplotlib and IPython loaded, where the sandbox has them. ' +
          'The first context of a sandbox waits until that one is there. 503 where nothing in the sandbox runs the language.',
        tags: ['contexts'],
        params: SandboxParams,
        body: named(CreateContext),
        response: { 201: json('It is ready.', ContextView), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const context = await contexts.create({ account, id: params.id }, body, clientGone(reply.raw))
      reply.code(201)
      return viewOf(context)
    },
  )

  app.get<ById>(
    '/sandboxes/:id/contexts',
    {
      config: { permission: 'sandboxes:exec', audit: 'context.list' },
      schema: {
        operationId: 'listContexts',
        summary: 'List the contexts of a sandbox',
        tags: ['contexts'],
        params: SandboxParams,
        response: { 200: json('Those that live.', ContextList), ...problems },
      },
    },
    async ({ account, params }) => ({ contexts: (await contexts.list({ account, id: params.id })).map(viewOf) }),
  )

  app.post<ByContext & { Body: ExecuteInContext }>(
    '/sandboxes/:id/contexts/:contextId/execute',
    {
      config: { permission: 'sandboxes:exec', audit: 'context.execute' },
      schema: {
        operationId: 'executeInContext',
        summary: 'Run code in a context and wait for its end; with `stream`, its output as it comes',
        description:
          'With `stream`, or `Accept: text/event-stream`, it answers with server-sent events (`ContextEvent`). ' +
          'One execution at a time. When the client goes away the code is interrupted; the context stays.',
        tags: ['contexts'],
        params: ContextParams,
        body: named(ExecuteInContext),
        response: {
          200: {
            description: 'The code ran to its end, however that was; or, streamed, its events one after the other.',
            content: { ...json('', ContextExecutionView).content, ...eventStream('', ContextEvent).content },
          },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, body } = request
      const subject = { account, ...params }
      const gone = clientGone(reply.raw)
      if (body.stream || request.headers.accept?.includes('text/event-stream')) {
        const execution = await contexts.start(subject, body, gone)
        return streamEvents(request, reply, async ({ send }) => {
          await sendContextEvents(send, execution.events())
          await send('outcome', outcomeView(await execution.outcome))
        })
      }
      const startedAt = performance.now()
      const { stdout, stderr, results, truncated, ...outcome } = await contexts.execute(subject, body, gone)
      const ms = Math.round((performance.now() - startedAt) * 10) / 10
      return { stdout, stderr, results, ...outcomeView(outcome), ms, truncated }
    },
  )

  app.post<ByContext>(
    '/sandboxes/:id/contexts/:contextId/restart',
    {
      config: { permission: 'sandboxes:exec', audit: 'context.restart' },
      schema: {
        operationId: 'restartContext',
        summary: 'Let a context forget what it has been told; what it runs is ended',
        tags: ['contexts'],
        params: ContextParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await contexts.restart({ account, ...params })
      return reply.code(204).send()
    },
  )

  app.delete<ByContext>(
    '/sandboxes/:id/contexts/:contextId',
    {
      config: { permission: 'sandboxes:exec', audit: 'context.remove' },
      schema: {
        operationId: 'removeContext',
        summary: 'End a context and the processes it has started',
        tags: ['contexts'],
        params: ContextParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      await contexts.remove({ account, ...params })
      return reply.code(204).send()
    },
  )
}

function viewOf({ createdAt, ...context }: Context): Static<typeof ContextView> {
  return { ...context, createdAt: createdAt.toISOString() }
}

function outcomeView({ signal, ...outcome }: ContextOutcome): Static<typeof ContextOutcomeView> {
  return { ...outcome, ...(signal === undefined ? {} : { signal: signalName(signal) }) }
}
