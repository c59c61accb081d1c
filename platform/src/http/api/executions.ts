import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { Execute } from '../../sandboxes/program.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import { exitSchemas, exitView } from '../exit-view.ts'
import { streamProcess } from '../stream-process.ts'
import { event, eventStream, failureEvent, json, named, problems, SandboxParams } from './schema.ts'

const Execution = Type.Object(
  { stdout: Type.String(), stderr: Type.String(), ...exitSchemas },
  { $id: 'Execution', description: 'A program that ran to its end. Up to 8 MiB of each stream are kept.' },
)

export const OutputText = Type.Object(
  {
    data: Type.String(),
    offset: Type.Integer({ description: 'Byte offset of the first byte of `data` in its stream.' }),
    encoding: Type.Optional(Type.Literal('base64', { description: 'Present when the bytes are no UTF-8.' })),
  },
  { $id: 'OutputText' },
)

const Exit = Type.Object(exitSchemas, { $id: 'Exit', description: 'How a process ended.' })

/** What stream-process.ts sends. */
export const ProcessEvent = Type.Union(
  [
    event('started', Type.Object({ processId: Type.String(), pid: Type.Integer() }), 'The first.'),
    event('stdout', named(OutputText), 'A piece of standard output; of a terminal, everything.'),
    event('stderr', named(OutputText), 'A piece of standard error.'),
    event('exit', named(Exit), 'The last, after all output.'),
    failureEvent,
  ],
  {
    $id: 'ProcessEvent',
    description: 'One event of a process: the name of its `event` line and the JSON of its `data` line.',
  },
)

export const executionSchemas = [Execute, Execution, OutputText, Exit, ProcessEvent]

/** /v1/sandboxes/:id/execute: run something and wait for it. */
export function executionRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.post<{ Params: Static<typeof SandboxParams>; Body: Execute }>(
    '/sandboxes/:id/execute',
    {
      config: { permission: 'sandboxes:exec', audit: 'sandbox.execute' },
      schema: {
        operationId: 'execute',
        summary: 'Run code or a command and wait for its end; with `stream`, its output as it comes',
        description:
          'With `stream`, or `Accept: text/event-stream`, it answers with server-sent events (`ProcessEvent`). ' +
          'Each call starts a process of its own: nothing of an interpreter is kept for the next. ' +
          'When the client goes away the program is killed.',
        tags: ['processes'],
        params: SandboxParams,
        body: named(Execute),
        response: {
          200: {
            description:
              'The program ran to its end, whatever its exit code; or, streamed, its events one after the other.',
            content: {
              ...json('', Execution).content,
              ...eventStream('', ProcessEvent).content,
            },
          },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { account, params, body } = request
      const subject = { account, id: params.id }
      const gone = clientGone(reply.raw)
      if (body.stream || request.headers.accept?.includes('text/event-stream')) {
        return streamProcess(request, reply, await sandboxes.startExecution(subject, body, gone))
      }
      const { stdout, stderr, ...exit } = await sandboxes.execute(subject, body, gone)
      return { stdout, stderr, ...exitView(exit) }
    },
  )
}
