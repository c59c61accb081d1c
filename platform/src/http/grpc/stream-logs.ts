import { WarrenError } from '../../errors.ts'
import { LogQuery } from '../api/logs.ts'
import type { Read, Written } from '../rpc/message.ts'
import type { ServiceDeps } from './call.ts'
import { checked } from './checked.ts'
import { guardedStream } from './guarded.ts'
import type { LogEntry, StreamLogsRequest } from './messages.ts'
import { subjectOf } from './sandboxes.ts'

export function streamLogs({ sandboxes, audit }: ServiceDeps) {
  return guardedStream<Read<typeof StreamLogsRequest>, Written<typeof LogEntry>>(
    audit,
    { permission: 'sandboxes:read', audit: 'sandbox.read_logs', reads: true, subject: ({ id }) => id },
    async function* (call, { id, ...request }) {
      const { after, follow = false } = checked(LogQuery, request)
      const { guest } = await sandboxes.running(subjectOf(call, id))
      const over = AbortSignal.any([call.signal, call.stopping])
      const from = { follow, ...(after === undefined ? {} : { afterSeq: after }) }
      for await (const { at, ...entry } of guest.logs(from, over)) yield { ...entry, at: new Date(at) }
      if (follow) throw new WarrenError('unavailable', 'the log ended: the sandbox does not answer any more')
    },
  )
}
