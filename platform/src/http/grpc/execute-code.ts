import { WarrenError } from '../../errors.ts'
import { Execute } from '../../sandboxes/program.ts'
import { exitView } from '../exit-view.ts'
import type { Read, Written } from '../rpc/message.ts'
import type { ServiceDeps } from './call.ts'
import { checked } from './checked.ts'
import { guardedStream } from './guarded.ts'
import type { ExecuteCodeRequest, ExecuteCodeResponse } from './messages.ts'
import { subjectOf } from './sandboxes.ts'

type Request = Read<typeof ExecuteCodeRequest>
type Event = Written<typeof ExecuteCodeResponse>

/** The program waits for a client that reads slowly, and is killed when nobody reads any more. */
export function executeCode({ sandboxes, audit }: ServiceDeps) {
  return guardedStream<Request, Event>(
    audit,
    { permission: 'sandboxes:exec', audit: 'sandbox.execute', subject: ({ id }) => id },
    async function* (call, { id, argv, ...program }) {
      if (program.command !== undefined && argv.length > 0)
        throw new WarrenError('invalid_request', 'the message must have either "command" or "argv", and not both')
      const input = checked(Execute, { ...program, ...(argv.length > 0 ? { command: argv } : {}) })
      const process = await sandboxes.startExecution(subjectOf(call, id), input, call.signal)
      // Reading waits inside for the guest: closing the connection is what ends the wait.
      const over = AbortSignal.any([call.signal, call.stopping])
      over.addEventListener('abort', () => process.detach(), { once: true })
      yield { started: { processId: process.id, pid: process.pid } }
      for await (const { stream, offset, data } of process.output()) yield { [stream]: { data, offset } }
      const { exitCode, ...exit } = exitView(await process.exit)
      yield { exit: { ...exit, exitCode: exitCode ?? undefined } }
    },
  )
}
