import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { GuestProcessInfo } from '../../engine/guest/client.ts'
import { StartProcess, TerminalSize } from '../../sandboxes/program.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { signalName, signalNumber } from '../../sandboxes/signal.ts'
import { clientGone } from '../client-gone.ts'
import { rawBody } from '../raw-body.ts'
import { streamProcess } from '../stream-process.ts'
import { ProcessEvent } from './executions.ts'
import { eventStream, json, Nothing, named, ProcessParams, problems, SandboxParams } from './schema.ts'

type ById = { Params: Static<typeof SandboxParams> }
type ByProcess = { Params: Static<typeof ProcessParams> }

const StartedProcess = Type.Object({ id: Type.String(), pid: Type.Integer() }, { $id: 'StartedProcess' })

const ProcessView = Type.Object(
  {
    id: Type.String(),
    pid: Type.Integer(),
    command: Type.Array(Type.String()),
    user: Type.String(),
    cwd: Type.String(),
    startedAt: Type.String({ format: 'date-time' }),
    tag: Type.Optional(Type.String()),
    pty: Type.Boolean(),
    state: Type.Enum(['running', 'exited']),
    exitCode: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
    signal: Type.Optional(Type.String()),
  },
  { $id: 'Process' },
)

const ProcessList = Type.Object({ processes: Type.Array(named(ProcessView)) }, { $id: 'ProcessList' })

const SendSignal = Type.Object(
  { signal: Type.Union([Type.String({ maxLength: 32 }), Type.Integer()], { description: 'Such as SIGTERM or 15.' }) },
  { $id: 'SendSignal', additionalProperties: false },
)

const OutputQuery = Type.Object(
  {
    stdoutOffset: Type.Optional(Type.Integer({ minimum: 0 })),
    stderrOffset: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
)

const StdinQuery = Type.Object(
  { eof: Type.Optional(Type.Boolean({ description: 'Close standard input after what the body holds.' })) },
  { additionalProperties: false },
)

export const processSchemas = [StartProcess, StartedProcess, ProcessView, ProcessList, SendSignal, TerminalSize]

const sigkill = 9

/** /v1/sandboxes/:id/processes: what runs by itself, whoever listens. */
export async function processRoutes(app: FastifyInstance, sandboxes: Sandboxes): Promise<void> {
  app.post<ById & { Body: StartProcess }>(
    '/sandboxes/:id/processes',
    {
      config: { permission: 'sandboxes:exec', audit: 'process.start' },
      schema: {
        operationId: 'startProcess',
        summary: 'Start a process that goes on by itself',
        tags: ['processes'],
        params: SandboxParams,
        body: named(StartProcess),
        response: { 201: json('It runs.', StartedProcess), ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const process = await sandboxes.startProcess({ account, id: params.id }, body)
      process.detach()
      reply.code(201)
      return { id: process.id, pid: process.pid }
    },
  )

  app.get<ById>(
    '/sandboxes/:id/processes',
    {
      config: { permission: 'sandboxes:exec', audit: 'process.list' },
      schema: {
        operationId: 'listProcesses',
        summary: 'List processes, the ended ones for some minutes more',
        tags: ['processes'],
        params: SandboxParams,
        response: { 200: json('The processes that are known.', ProcessList), ...problems },
      },
    },
    async ({ account, params }) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      return { processes: (await guest.processes()).map(viewOf) }
    },
  )

  app.get<ByProcess & { Querystring: Static<typeof OutputQuery> }>(
    '/sandboxes/:id/processes/:processId/output',
    {
      config: { permission: 'sandboxes:exec', audit: 'process.read_output' },
      schema: {
        operationId: 'streamProcessOutput',
        summary: 'Stream the output of a process, from the given byte offsets on',
        tags: ['processes'],
        params: ProcessParams,
        querystring: OutputQuery,
        response: {
          200: eventStream('The events of a streamed `execute`, from `started` on.', ProcessEvent),
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, query } = request
      const { guest } = await sandboxes.running({ account, id: params.id })
      return streamProcess(request, reply, await guest.attach(params.processId, query))
    },
  )

  app.post<ByProcess & { Body: Static<typeof SendSignal> }>(
    '/sandboxes/:id/processes/:processId/signal',
    {
      config: { permission: 'sandboxes:exec', audit: 'process.signal' },
      schema: {
        operationId: 'signalProcess',
        summary: 'Send a signal to a process and its children',
        tags: ['processes'],
        params: ProcessParams,
        body: named(SendSignal),
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const signal = signalNumber(body.signal)
      const { guest } = await sandboxes.running({ account, id: params.id })
      await guest.signal(params.processId, signal)
      return reply.code(204).send()
    },
  )

  app.post<ByProcess & { Body: Static<typeof TerminalSize> }>(
    '/sandboxes/:id/processes/:processId/resize',
    {
      config: { permission: 'sandboxes:exec', unaudited: 'the size of a window' },
      schema: {
        operationId: 'resizeProcess',
        summary: 'Tell a process in a terminal its new size',
        tags: ['processes'],
        params: ProcessParams,
        body: named(TerminalSize),
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params, body }, reply) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      await guest.control(params.processId, { resize: body })
      return reply.code(204).send()
    },
  )

  app.delete<ByProcess>(
    '/sandboxes/:id/processes/:processId',
    {
      config: { permission: 'sandboxes:exec', audit: 'process.kill' },
      schema: {
        operationId: 'killProcess',
        summary: 'End a process and its children with SIGKILL',
        tags: ['processes'],
        params: ProcessParams,
        response: { 204: Nothing, ...problems },
      },
    },
    async ({ account, params }, reply) => {
      const { guest } = await sandboxes.running({ account, id: params.id })
      await guest.signal(params.processId, sigkill)
      return reply.code(204).send()
    },
  )

  await app.register((raw, _options, done) => {
    rawBody(raw)
    raw.post<ByProcess & { Querystring: Static<typeof StdinQuery>; Body: Readable | undefined }>(
      '/sandboxes/:id/processes/:processId/stdin',
      {
        config: { permission: 'sandboxes:exec', audit: 'process.write_input' },
        schema: {
          operationId: 'writeProcessStdin',
          summary: 'Write the body to the standard input of a process',
          description:
            'Conflict where the process has ended (`details.reason` is `ended`), or was started without standard input or had it closed (`stdin_closed`).',
          tags: ['processes'],
          consumes: ['application/octet-stream'],
          params: ProcessParams,
          querystring: StdinQuery,
          response: { 204: Nothing, ...problems },
        },
      },
      async ({ account, params, query, body }, reply) => {
        const { guest } = await sandboxes.running({ account, id: params.id })
        if (body) {
          const stdin = body.iterator({ destroyOnReturn: false })
          await guest.control(params.processId, { stdin }, clientGone(reply.raw))
        }
        if (query.eof) await guest.control(params.processId, { closeStdin: true })
        return reply.code(204).send()
      },
    )
    done()
  })
}

function viewOf(process: GuestProcessInfo): Static<typeof ProcessView> {
  const { argv, startedAt, signal, ...rest } = process
  return {
    ...rest,
    command: argv,
    startedAt: new Date(startedAt).toISOString(),
    ...(signal === null ? {} : { signal: signalName(signal) }),
  }
}
