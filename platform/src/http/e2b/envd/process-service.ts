import type { ExecOptions } from '../../../engine/guest/client.ts'
import type { GuestProcess, ProcessExit } from '../../../engine/guest/process.ts'
import { WarrenError } from '../../../errors.ts'
import { tracedEnvironment } from '../../../sandboxes/traced-environment.ts'
import type { Read, Written } from '../../rpc/message.ts'
import { clientStream, type Procedure, serverStream, unary } from '../../rpc/procedure.ts'
import { RpcError } from '../../rpc/rpc-error.ts'
import { markVariables } from '../marks.ts'
import type { Call } from './call.ts'
import { exists } from './entries.ts'
import { withKeepalive } from './keepalive.ts'
import { cleanPath } from './paths.ts'
import {
  EventResponse,
  ListResponse,
  Nothing,
  type ProcessInput,
  SelectRequest,
  SendInputRequest,
  SendSignalRequest,
  StartRequest,
  StreamInputRequest,
  UpdateRequest,
} from './process-messages.ts'
import { type KnownProcess, knownProcesses, labelOf, runningProcess, selectProcess } from './process-table.ts'

/** Service `process.Process`: what runs in a sandbox, over the guest's own processes. Nothing is remembered here. */
export const processService: Record<string, Procedure<Call>> = {
  List: unary(Nothing, ListResponse, async ({ guest }) => {
    const running = (await knownProcesses(guest)).filter(({ state }) => state === 'running')
    const processes = running.map(({ pid, argv: [cmd, ...args], label }) => ({
      pid,
      config: { cmd: cmd ?? '', args, envs: label.envs, cwd: label.cwd },
      tag: label.tag,
    }))
    return { processes }
  }),

  Start: serverStream(StartRequest, EventResponse, async function* (call, request) {
    yield* eventsOf(await start(call, request), { call, pty: request.pty !== undefined })
  }),

  Connect: serverStream(SelectRequest, EventResponse, async function* (call, { process }) {
    const found = selectProcess(await knownProcesses(call.guest), process)
    const attached = await call.guest.attach(found.id, { fromEnd: true }, call.signal)
    yield* eventsOf(attached, { call, pty: found.pty })
  }),

  Update: unary(UpdateRequest, Nothing, async ({ guest }, { process, pty }) => {
    const found = await runningProcess(guest, process)
    if (!pty?.size) return {}
    if (!found.pty) throw new RpcError('failed_precondition', `process ${found.pid} has no terminal`)
    await guest.control(found.id, { resize: pty.size })
    return {}
  }),

  SendInput: unary(SendInputRequest, Nothing, async (call, { process, input }) => {
    await write(call, await runningProcess(call.guest, process), input)
    return {}
  }),

  StreamInput: clientStream(StreamInputRequest, Nothing, async (call, messages) => {
    let found: KnownProcess | undefined
    for await (const { start: selected, data } of messages) {
      if (selected) found = await runningProcess(call.guest, selected.process)
      else if (data && !found) throw new RpcError('invalid_argument', 'the first message must name the process')
      else if (data && found) await write(call, found, data.input)
    }
    return {}
  }),

  SendSignal: unary(SendSignalRequest, Nothing, async ({ guest }, { process, signal }) => {
    const number = signal === 'SIGNAL_SIGTERM' ? 15 : signal === 'SIGNAL_SIGKILL' ? 9 : undefined
    if (number === undefined)
      throw new RpcError('unimplemented', `signal ${signal} is not offered: only SIGTERM and SIGKILL`)
    await guest.signal((await runningProcess(guest, process)).id, number)
    return {}
  }),

  CloseStdin: unary(SelectRequest, Nothing, async ({ guest }, { process }) => {
    const found = await runningProcess(guest, process)
    if (found.pty) throw new RpcError('failed_precondition', `process ${found.pid} has a terminal, which is not closed`)
    if (!found.label.stdin) return {}
    await guest.control(found.id, { closeStdin: true }).catch(ignoreClosed)
    return {}
  }),
}

async function start(call: Call, request: Read<typeof StartRequest>): Promise<GuestProcess> {
  const { guest, user, timeoutMs, signal } = call
  const { process, pty, tag } = request
  if (!process?.cmd) throw new RpcError('invalid_argument', 'a process needs a command')
  const cwd = process.cwd ? cleanPath(process.cwd) : undefined
  // Left out by clients of an older kind, which expect an open one.
  const stdin = request.stdin ?? true
  const options: ExecOptions = {
    argv: [process.cmd, ...process.args],
    env: { ...markVariables(call.live.id), ...tracedEnvironment(process.envs) },
    ...(user === undefined ? {} : { user }),
    stdin,
    tag: labelOf({ tag, cwd: process.cwd, envs: process.envs, stdin }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(pty ? { pty: { cols: pty.size?.cols || 80, rows: pty.size?.rows || 24 } } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
  try {
    return await guest.exec(options, signal)
  } catch (error) {
    if (!(error instanceof WarrenError) || !['not_found', 'invalid_request', 'forbidden'].includes(error.code))
      throw error
    if (cwd !== undefined && !(await exists(call, cwd)))
      throw new RpcError('invalid_argument', `cwd '${process.cwd}' does not exist`)
    throw new RpcError('invalid_argument', `error starting process '${process.cmd}': ${error.message}`)
  }
}

async function* eventsOf(
  process: GuestProcess,
  { call, pty }: { call: Call; pty: boolean },
): AsyncGenerator<Written<typeof EventResponse>> {
  yield { event: { start: { pid: process.pid } } }
  const output = process.output()
  const events = withKeepalive(output, call.keepaliveMs, 'keepalive' as const)
  for await (const chunk of events) {
    if (chunk === 'keepalive') yield { event: { keepalive: {} } }
    else yield { event: { data: { [pty ? 'pty' : chunk.stream]: chunk.data } } }
  }
  yield { event: { end: endOf(await process.exit) } }
}

function endOf(exit: ProcessExit): { exitCode: number; exited: boolean; status: string; error?: string } {
  if (exit.reason === 'timeout')
    throw new RpcError('deadline_exceeded', 'the time of the process is over: it was killed')
  const exited = exit.signal === null
  const status = exited
    ? `exit status ${exit.exitCode ?? 0}`
    : `signal: ${signalTexts[exit.signal ?? 0] ?? exit.signal}`
  const failed = !exited || exit.exitCode !== 0
  return { exitCode: exited ? (exit.exitCode ?? 0) : -1, exited, status, ...(failed ? { error: status } : {}) }
}

/** As the C library calls them. */
const signalTexts: Record<number, string> = {
  1: 'hangup',
  2: 'interrupt',
  3: 'quit',
  4: 'illegal instruction',
  5: 'trace/breakpoint trap',
  6: 'aborted',
  7: 'bus error',
  8: 'floating point exception',
  9: 'killed',
  10: 'user defined signal 1',
  11: 'segmentation fault',
  12: 'user defined signal 2',
  13: 'broken pipe',
  14: 'alarm clock',
  15: 'terminated',
}

async function write(
  { guest, signal }: Call,
  found: KnownProcess,
  input: Read<typeof ProcessInput> | undefined,
): Promise<void> {
  const bytes = found.pty ? input?.pty : input?.stdin
  if (!bytes)
    throw new RpcError(
      'internal',
      `process ${found.pid} takes input for ${found.pty ? 'its terminal' : 'standard input'} only`,
    )
  if (!found.pty && !found.label.stdin)
    throw new RpcError('internal', `the standard input of process ${found.pid} was never open: start it with stdin`)
  try {
    await guest.control(found.id, { stdin: once(bytes) }, signal)
  } catch (error) {
    // One that ends meanwhile is as one that had ended before: not in the list any more.
    if (isConflict(error, 'ended')) throw new RpcError('not_found', `process ${found.pid} has ended`)
    if (isConflict(error, 'stdin_closed')) throw new RpcError('internal', error.message)
    throw error
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

function ignoreClosed(error: unknown): void {
  if (!isConflict(error, 'stdin_closed') && !isConflict(error, 'ended')) throw error
}

function isConflict(error: unknown, reason: 'ended' | 'stdin_closed'): error is WarrenError {
  return error instanceof WarrenError && error.code === 'conflict' && error.details?.reason === reason
}
