import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { Execute } from '../../sandboxes/program.ts'
import type { Sandboxes } from '../../sandboxes/sandboxes.ts'
import { clientGone } from '../client-gone.ts'
import { exitSchemas, exitView } from '../exit-view.ts'
import { streamProcess } from '../stream-process.ts'
import { named, problems, SandboxParams } from './schema.ts'

const Execution = Type.Object(
  { stdout: Type.String(), stderr: Type.String(), ...exitSchemas },
  { $id: 'Execution', description: 'A program that ran to its end. Up to 8 MiB of each stream are kept.' },
)

export const executionSchemas = [Execute, Execution]

/** /v1/sandboxes/:id/execute: run something and wait for it. */
export function executionRoutes(app: FastifyInstance, sandboxes: Sandboxes): void {
  app.post<{ Params: Static<typeof SandboxParams>; Body: Execute }>(
    '/sandboxes/:id/execute',
    {
      schema: {
        operationId: 'execute',
        summary: 'Run code or a command and wait for its end; with `stream`, its output as it comes',
        description:
          'Streamed it answers with server-sent events: `started` {processId, pid}, `stdout` and `stderr` ' +
          '{data, offset, encoding?}, `exit` {exitCode, signal?, reason, ms}, or `error` as the last. ' +
          'When the client goes away the program is killed.',
        tags: ['processes'],
        params: SandboxParams,
        body: named(Execute),
        produces: ['application/json', 'text/event-stream'],
        response: { 200: named(Execution), ...problems },
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
