import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { WarrenError } from '../../errors.ts'
import { type AgentAddress, answerMs, GuestConnection } from './connection.ts'
import { GuestContexts } from './contexts.ts'
import { GuestFiles } from './files.ts'
import { Fields, type FieldValue, kind } from './frames.ts'
import { GuestProcess, type OutOfMemory } from './process.ts'

export interface ExecOptions {
  argv: string[]
  env?: Record<string, string>
  cwd?: string
  user?: string
  pty?: { cols: number; rows: number }
  /** Opens a pipe for standard input; without it the process reads end of file. */
  stdin?: boolean
  timeoutMs?: number
  /** A label of the caller's, given back by `processes()`. */
  tag?: string
  /** The name of a {@link GuestClient.link}, which is its descriptor 3. */
  link?: string
  /** Nothing of it is kept: it stands in no list and no log. */
  trial?: boolean
}

export interface GuestProcessInfo {
  id: string
  pid: number
  argv: string[]
  user: string
  cwd: string
  /** Unix milliseconds. */
  startedAt: number
  tag?: string
  pty: boolean
  state: 'running' | 'exited'
  exitCode: number | null
  signal: number | null
}

export interface LogEntry {
  seq: number
  /** Unix milliseconds. */
  at: number
  processId: string
  stream: 'stdout' | 'stderr' | 'pty' | 'event'
  data: Buffer
}

export interface GuestMetrics {
  processes: number
  diskUsedBytes: number
  diskTotalBytes: number
  inodesUsed: number
  /** Where the agent keeps the limits itself: how often its kernel killed a process for want of memory. */
  oomKills: number
}

export interface GuestSettings {
  env?: Record<string, string>
  hostname?: string
  seed?: Buffer
  /** Unix milliseconds. */
  clockMs?: number
  machineId?: string
  /** These three only where the agent keeps the limits itself. */
  maxProcesses?: number
  memoryMb?: number
  maxOpenFiles?: number
}

export interface GuestClientOptions {
  /** Who runs commands and owns files when the caller names nobody. */
  defaultUser: string
  /** Where commands run when the caller names no folder; by default the home of their user. */
  defaultCwd?: string
  wasOutOfMemory: OutOfMemory
}

/** Speaks to the agent inside one sandbox. Every call is a connection of its own, so nothing blocks anything. */
export class GuestClient {
  readonly files: GuestFiles
  readonly contexts: GuestContexts
  readonly #agent: AgentAddress
  readonly #options: GuestClientOptions

  constructor(agent: AgentAddress, options: GuestClientOptions) {
    this.#agent = agent
    this.#options = options
    this.files = new GuestFiles(agent, options.defaultUser)
    this.contexts = new GuestContexts(agent, {
      exec: (program, signal) => this.exec(program, signal),
      wasOutOfMemory: options.wasOutOfMemory,
    })
  }

  /** Starts a process. Rejects `not_found` for an unknown command, user or working directory. */
  async exec(options: ExecOptions, signal?: AbortSignal): Promise<GuestProcess> {
    const { pty } = options
    const fields: [number, FieldValue][] = options.argv.map((argument) => [1, argument])
    for (const [name, value] of Object.entries(options.env ?? {})) fields.push([2, `${name}=${value}`])
    fields.push(
      [3, options.cwd ?? this.#options.defaultCwd],
      [4, options.user ?? this.#options.defaultUser],
      [5, pty ? 1 : undefined],
      [6, pty?.cols],
      [7, pty?.rows],
      [8, options.timeoutMs],
      [9, options.stdin ? 1 : undefined],
      [10, options.tag],
      [13, options.link],
      [14, options.trial ? 1 : undefined],
    )
    return this.#start(kind.exec, fields, signal)
  }

  /** Takes up the output of a process from the given offsets; with `fromEnd` only what is new. */
  attach(
    processId: string,
    from: { stdoutOffset?: number; stderrOffset?: number; fromEnd?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<GuestProcess> {
    const fields: [number, FieldValue][] = [
      [1, processId],
      [2, from.fromEnd ? 'end' : from.stdoutOffset],
      [3, from.fromEnd ? 'end' : from.stderrOffset],
    ]
    return this.#start(kind.attach, fields, signal)
  }

  /**
   * Does something to a process and waits until the guest has carried it out: for standard input, until the process has
   * taken it, which may be never. Rejects `conflict` where it has ended, or its standard input is not open; `details.reason` is
   * `ended` or `stdin_closed` then.
   */
  async control(
    processId: string,
    act: { stdin: AsyncIterable<Buffer> } | { closeStdin: true } | { resize: { cols: number; rows: number } },
    signal?: AbortSignal,
  ): Promise<void> {
    const fields: [number, FieldValue][] = [
      [1, processId],
      [4, 1],
    ]
    const connection = await GuestConnection.open(this.#agent, kind.attach, fields, signal)
    try {
      const process = new GuestProcess(connection, await connection.expect(kind.started), async () => false)
      if ('stdin' in act) {
        const pieceBytes = 32 * 1024
        for await (const chunk of act.stdin) {
          for (let at = 0; at < chunk.length; at += pieceBytes) {
            await process.write(chunk.subarray(at, at + pieceBytes))
            await connection.expect(kind.ok, 'never')
          }
        }
        return
      }
      if ('closeStdin' in act) await process.closeStdin()
      else await process.resize(act.resize.cols, act.resize.rows)
      await connection.expect(kind.ok)
    } catch (error) {
      throw 'resize' in act ? error : notOpen(error)
    } finally {
      connection.close()
    }
  }

  async signal(processId: string, signalNumber: number): Promise<void> {
    await this.#call(kind.signal, [
      [1, processId],
      [2, signalNumber],
      [3, 1],
    ])
  }

  async processes(): Promise<GuestProcessInfo[]> {
    const found: GuestProcessInfo[] = []
    for await (const fields of this.#entries(kind.processes)) {
      const tag = fields.text(7)
      found.push({
        id: fields.text(1) ?? '',
        pid: fields.count(2),
        argv: fields.list(3),
        user: fields.text(4) ?? '',
        cwd: fields.text(5) ?? '',
        startedAt: fields.time(6),
        ...(tag === undefined ? {} : { tag }),
        pty: fields.text(8) === '1',
        state: fields.text(9) === 'running' ? 'running' : 'exited',
        exitCode: fields.number(10) ?? null,
        signal: fields.number(11) ?? null,
      })
    }
    return found
  }

  /** What the processes of this sandbox wrote and when they came and went, from the guest's bounded ring. */
  async *logs(options: { afterSeq?: number; follow?: boolean } = {}, signal?: AbortSignal): AsyncGenerator<LogEntry> {
    const fields: [number, FieldValue][] = [
      [1, options.afterSeq],
      [2, options.follow ? 1 : undefined],
    ]
    const deadlineMs = options.follow ? undefined : answerMs
    for await (const entry of this.#entries(kind.logs, fields, { signal, deadlineMs })) {
      yield {
        seq: entry.count(1),
        at: entry.time(2),
        processId: entry.text(3) ?? '',
        stream: (entry.text(4) ?? 'event') as LogEntry['stream'],
        data: entry.bytes(5) ?? Buffer.alloc(0),
      }
    }
  }

  /** A byte pipe to a port on the sandbox's loopback, or to a unix socket. Rejects `unavailable` when nothing listens there. */
  async dial(place: number | string, signal?: AbortSignal): Promise<Duplex> {
    const field: [number, FieldValue] = [typeof place === 'number' ? 1 : 2, place]
    const connection = await GuestConnection.open(this.#agent, kind.dial, [field], signal, kind.ok)
    try {
      await connection.expect(kind.ok)
      return connection.takeRaw()
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** A byte pipe that becomes descriptor 3 of the process which is executed with its name: nobody between carries the bytes. */
  async link(signal?: AbortSignal): Promise<{ name: string; pipe: Duplex }> {
    const name = randomUUID()
    const connection = await GuestConnection.open(this.#agent, kind.link, [[1, name]], signal, kind.ok)
    try {
      await connection.expect(kind.ok)
      return { name, pipe: connection.takeRaw() }
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Listening TCP ports. */
  async ports(): Promise<{ port: number; address: string }[]> {
    const found: { port: number; address: string }[] = []
    for await (const fields of this.#entries(kind.ports)) {
      found.push({ port: fields.count(1), address: fields.text(2) ?? '' })
    }
    return found
  }

  async metrics(): Promise<GuestMetrics> {
    const fields = await this.#call(kind.metrics)
    return {
      processes: fields.count(1),
      diskUsedBytes: fields.count(3),
      diskTotalBytes: fields.count(4),
      inodesUsed: fields.count(5),
      oomKills: fields.count(8),
    }
  }

  /** Sets what is given; `env` replaces the environment that every later process starts with. */
  async configure(settings: GuestSettings): Promise<void> {
    const fields: [number, FieldValue][] = Object.entries(settings.env ?? {}).map(([key, value]) => [
      1,
      `${key}=${value}`,
    ])
    const { seed, hostname, clockMs, machineId, maxProcesses, memoryMb, maxOpenFiles } = settings
    fields.push([3, seed], [4, hostname], [5, settings.env ? undefined : 1], [6, machineId])
    fields.push([10, clockMs && clockMs * 1000], [12, maxProcesses], [13, memoryMb && memoryMb * 1024 * 1024])
    fields.push([14, maxOpenFiles])
    await this.#call(kind.configure, fields)
  }

  /** What every process starts with, as `configure` set it last. */
  async environment(): Promise<Record<string, string>> {
    const entries = (await this.#call(kind.environment)).list(1).map((entry): [string, string] => {
      const at = entry.indexOf('=')
      return [entry.slice(0, at), entry.slice(at + 1)]
    })
    return Object.fromEntries(entries)
  }

  /** Resolves when all that programs have written lies on the disk, as far as a kernel of the sandbox's own held it back. */
  async flush(): Promise<void> {
    await this.#call(kind.flush)
  }

  /**
   * Lets the agent close every socket it shares with the host; resolves when it has. It listens again when it finds
   * the file `listen-TOKEN`, or after some seconds without it.
   */
  async suspend(token: string, signal?: AbortSignal): Promise<void> {
    const connection = await GuestConnection.open(this.#agent, kind.suspend, [[1, token]], signal)
    try {
      await connection.expect(kind.ok)
      if (await connection.next(answerMs)) throw new WarrenError('unavailable', 'the guest agent did not let go')
    } finally {
      connection.close()
    }
  }

  /** Resolves when the agent answers. */
  async ping(signal?: AbortSignal): Promise<void> {
    const connection = await GuestConnection.open(this.#agent, kind.ping, [], signal)
    try {
      await connection.expect(kind.ok)
    } finally {
      connection.close()
    }
  }

  async #start(request: number, fields: [number, FieldValue][], signal?: AbortSignal): Promise<GuestProcess> {
    const connection = await GuestConnection.open(this.#agent, request, fields, signal)
    try {
      return new GuestProcess(connection, await connection.expect(kind.started), this.#options.wasOutOfMemory)
    } catch (error) {
      connection.close()
      throw error
    }
  }

  async #call(request: number, fields: [number, FieldValue][] = []): Promise<Fields> {
    const connection = await GuestConnection.open(this.#agent, request, fields)
    try {
      return await connection.expect(kind.ok)
    } finally {
      connection.close()
    }
  }

  /** Without a deadline, for what goes on for ever, neither is there a largest size. */
  async *#entries(
    request: number,
    fields: [number, FieldValue][] = [],
    { signal, deadlineMs }: { signal?: AbortSignal | undefined; deadlineMs?: number | undefined } = {
      deadlineMs: answerMs,
    },
  ): AsyncGenerator<Fields> {
    const connection = await GuestConnection.open(this.#agent, request, fields, signal)
    try {
      for await (const frame of connection.answers(deadlineMs)) yield new Fields(frame.payload)
    } catch (error) {
      if (!signal?.aborted) throw error
    } finally {
      connection.close()
    }
  }
}

/** Nothing else of input can be wrong but that nobody takes it. */
function notOpen(error: unknown): unknown {
  if (!(error instanceof WarrenError) || error.details?.guestCode !== 'invalid') return error
  return new WarrenError('conflict', error.message, {
    hint: 'It is open where the process was started with "stdin": true, or with a terminal, until it is closed or the process ends.',
    details: { reason: 'stdin_closed' },
    cause: error,
  })
}
