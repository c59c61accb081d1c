import { enumeration, map, message, optional, plain, repeated } from '../../rpc/message.ts'

/** The messages of package `process`. */

const TerminalSize = message({ cols: plain(1, 'uint32'), rows: plain(2, 'uint32') })
const Pty = message({ size: optional(1, TerminalSize) })

const ProcessConfig = message({
  cmd: plain(1, 'string'),
  args: repeated(2, 'string'),
  envs: map(3),
  cwd: optional(4, 'string'),
})

const ProcessInfo = message({ config: optional(1, ProcessConfig), pid: plain(2, 'uint32'), tag: optional(3, 'string') })

const KeepAlive = message({})
const StartEvent = message({ pid: plain(1, 'uint32') })
const DataEvent = message({ stdout: optional(1, 'bytes'), stderr: optional(2, 'bytes'), pty: optional(3, 'bytes') })
const EndEvent = message({
  exitCode: plain(1, 'sint32'),
  exited: plain(2, 'bool'),
  status: plain(3, 'string'),
  error: optional(4, 'string'),
})

/** One of: what a process did. */
export const ProcessEvent = message({
  start: optional(1, StartEvent),
  data: optional(2, DataEvent),
  end: optional(3, EndEvent),
  keepalive: optional(4, KeepAlive),
})

export const ProcessSelector = message({ pid: optional(1, 'uint32'), tag: optional(2, 'string') })
export const ProcessInput = message({ stdin: optional(1, 'bytes'), pty: optional(2, 'bytes') })

const Signal = enumeration({ SIGNAL_UNSPECIFIED: 0, SIGNAL_SIGTERM: 15, SIGNAL_SIGKILL: 9 })

export const Nothing = message({})
export const ListResponse = message({ processes: repeated(1, ProcessInfo) })
export const StartRequest = message({
  process: optional(1, ProcessConfig),
  pty: optional(2, Pty),
  tag: optional(3, 'string'),
  stdin: optional(4, 'bool'),
})
export const EventResponse = message({ event: optional(1, ProcessEvent) })
export const SelectRequest = message({ process: optional(1, ProcessSelector) })
export const UpdateRequest = message({ process: optional(1, ProcessSelector), pty: optional(2, Pty) })
export const SendInputRequest = message({ process: optional(1, ProcessSelector), input: optional(2, ProcessInput) })
export const SendSignalRequest = message({ process: optional(1, ProcessSelector), signal: plain(2, Signal) })
export const StreamInputRequest = message({
  start: optional(1, SelectRequest),
  data: optional(2, message({ input: optional(2, ProcessInput) })),
  keepalive: optional(3, KeepAlive),
})
