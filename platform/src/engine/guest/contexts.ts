import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../errors.ts'
import { type AgentAddress, GuestConnection } from './connection.ts'
import { GuestExecution } from './context-execution.ts'
import { contextProgram, contextsFolder, serviceSource } from './context-programs.ts'
import { chunkBytes, encodeFields, Fields, type FieldValue, kind, maxFrameBytes } from './frames.ts'
import type { GuestProcess } from './process.ts'

export interface GuestContextInfo {
  id: string
  language: string
  /** 0 when it has none: it died and is followed by another as soon as something is to be run. */
  pid: number
  /** Unix milliseconds. */
  startedAt: number
  busy: boolean
  cwd: string
}

interface Deps {
  exec: (
    program: { argv: string[]; env: Record<string, string>; stdin: true; tag: string },
    signal?: AbortSignal,
  ) => Promise<GuestProcess>
  wasOutOfMemory: () => Promise<boolean>
}

/** Named after what is spoken there, so that a release that speaks otherwise starts a service of its own. */
const socketPath = `${contextsFolder}/2.sock`
/** Loading the libraries takes half a second on a fast machine, many times that on a busy one. */
const startDeadlineMs = 60_000
const attempts = 3
const libraries = ['numpy', 'pandas', 'matplotlib.pyplot', 'PIL.ImageShow']
const environment = {
  // A thread that exists at the fork would be missing after it.
  OPENBLAS_NUM_THREADS: '1',
  OMP_NUM_THREADS: '1',
  MPLBACKEND: 'Agg',
}
const bootstrap = `import json, sys, types
for name, source in json.load(sys.stdin):
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(source, name + ".py", "exec"), module.__dict__)
sys.modules["warren_service"].start(sys.argv[1], sys.argv[2:])`

export interface NewContext {
  language: string
  cwd?: string | undefined
  /** Whether the folder is made where it is missing, and the home is taken where it cannot be entered. */
  makeCwd?: boolean
  /** Whether the libraries are loaded with the service, should it have to be started. */
  preload: boolean
  /** Whether an interpreter that dies is followed by a new one under the same id. */
  keep?: boolean
}

export interface ContextCode {
  code: string
  /** Set while it runs. */
  env?: Record<string, string> | undefined
  /** Whether it waits while the context runs something else. */
  queue?: boolean
}

/**
 * Interpreters that keep what they have been told, each a fork of one that has the usual libraries loaded. The service that
 * forks runs inside the sandbox, is started with the first context and speaks our frames (contexts.py). No state of it is
 * kept here, so contexts outlive the platform.
 */
export class GuestContexts {
  readonly #agent: AgentAddress
  readonly #deps: Deps
  #starting: Promise<void> | undefined

  constructor(agent: AgentAddress, deps: Deps) {
    this.#agent = agent
    this.#deps = deps
  }

  /**
   * Answers where it begins. Rejects `not_found` for a working directory that is not there, `forbidden` for one that its user
   * may not enter, `unavailable` where nothing runs the language.
   */
  async create(id: string, input: NewContext, signal?: AbortSignal): Promise<{ cwd: string }> {
    const program = await contextProgram(input.language)
    const fields: [number, FieldValue][] = [
      [1, id],
      [2, input.cwd],
      [3, input.language],
      [4, input.keep ? 1 : undefined],
      [5, program?.path],
      [6, input.makeCwd ? 1 : undefined],
    ]
    for (let attempt = 1; ; attempt++) {
      const connection = (await this.#reach(signal)) ?? (await this.#reachStarted(input.preload, signal))
      try {
        return { cwd: (await call(connection, kind.contextCreate, fields)).text(2) ?? '' }
      } catch (error) {
        if (attempt === attempts || signal?.aborted) throw error
        if (program && guestCodeOf(error) === 'program') await this.#store(program.files, signal)
        // A service that has just been killed accepts for a moment more.
        else if (wasLost(error)) await sleep(50)
        else throw error
      }
    }
  }

  async list(): Promise<GuestContextInfo[]> {
    const connection = await this.#reach()
    if (!connection) return []
    const found: GuestContextInfo[] = []
    try {
      await connection.send(kind.contexts)
      for await (const frame of connection.answers(10_000)) {
        const fields = new Fields(frame.payload)
        const info = { id: fields.text(1) ?? '', pid: fields.count(2), startedAt: fields.time(3) }
        const rest = { busy: fields.text(4) === '1', cwd: fields.text(5) ?? '', language: fields.text(6) ?? '' }
        found.push({ ...info, ...rest })
      }
    } finally {
      connection.close()
    }
    return found
  }

  /**
   * Runs code in a context. Rejects `not_found` without one, `too_large` for code that fits no frame, `conflict` while it
   * runs something already, unless that is waited for.
   */
  async execute(id: string, { code, env = {}, queue }: ContextCode, signal?: AbortSignal): Promise<GuestExecution> {
    const entries = Object.entries(env).map(([name, value]): [number, FieldValue] => [4, `${name}=${value}`])
    const payload = encodeFields([[1, id], [2, code], [3, queue ? 1 : undefined], ...entries])
    if (payload.length >= maxFrameBytes)
      throw new WarrenError('too_large', `code and its environment have ${payload.length} bytes, over 1 MiB`)
    const connection = (await this.#reach(signal)) ?? absent(id)
    try {
      await connection.send(kind.contextExecute, payload)
      return new GuestExecution(connection, await connection.expect(kind.started), this.#deps.wasOutOfMemory)
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Ends what the context runs; the next execution has a new interpreter. */
  async restart(id: string): Promise<void> {
    await call((await this.#reach()) ?? absent(id), kind.contextRestart, [[1, id]])
  }

  /** Ends a context and what it has started, unless that has left its session. */
  async remove(id: string): Promise<void> {
    await call((await this.#reach()) ?? absent(id), kind.contextRemove, [[1, id]])
  }

  /** Starts the service, so that the first context need not wait for it. Does nothing when it is there. */
  async prepare(preload: boolean, signal?: AbortSignal): Promise<void> {
    const connection = (await this.#reach(signal)) ?? (await this.#reachStarted(preload, signal))
    connection.close()
  }

  /** Gives the service programs of ours, which it keeps beside its socket. */
  async #store(files: Map<string, Buffer>, signal?: AbortSignal): Promise<void> {
    for (const [path, content] of files) {
      const connection = (await this.#reach(signal)) ?? absent('any')
      try {
        const pieceBytes = 8 * chunkBytes
        for (let at = 0; at === 0 || at < content.length; at += pieceBytes) {
          const isFirst = at === 0
          const isLast = at + pieceBytes >= content.length
          const piece = content.subarray(at, at + pieceBytes)
          if (isFirst && isLast) {
            await connection.send(kind.contextStore, stored(path, Buffer.alloc(0), 'first'))
            await connection.expect(kind.ok)
          }
          const state = isLast ? 'last' : isFirst ? 'first' : 'more'
          await connection.send(kind.contextStore, stored(path, piece, state))
          await connection.expect(kind.ok)
        }
      } finally {
        connection.close()
      }
    }
  }

  /** A connection to the service; undefined where there is none. */
  async #reach(signal?: AbortSignal): Promise<GuestConnection | undefined> {
    const connection = await GuestConnection.open(this.#agent, kind.dial, [[2, socketPath]], signal)
    try {
      await connection.expect(kind.ok)
      return connection
    } catch (error) {
      connection.close()
      if (wasLost(error)) throw error
      return undefined
    }
  }

  async #reachStarted(preload: boolean, signal?: AbortSignal): Promise<GuestConnection> {
    this.#starting ??= this.#start(preload).finally(() => {
      this.#starting = undefined
    })
    await this.#starting
    const connection = await this.#reach(signal)
    if (connection) return connection
    throw new WarrenError('unavailable', 'the interpreter of this sandbox was started and is not there')
  }

  /** Resolves when the service listens. */
  async #start(preload: boolean): Promise<void> {
    const argv = ['python3', '-c', bootstrap, socketPath, ...(preload ? libraries : [])]
    const signal = AbortSignal.timeout(startDeadlineMs)
    const process = await this.#deps
      .exec({ argv, env: environment, stdin: true, tag: 'warren.contexts' }, signal)
      .catch((cause) => {
        if (cause instanceof WarrenError && cause.code === 'not_found')
          throw new WarrenError('unavailable', 'there is no python3 in this sandbox', { cause })
        throw cause
      })
    let told = ''
    try {
      await process.write(Buffer.from(await serviceSource()))
      await process.closeStdin()
      for await (const { stream, data } of process.output()) {
        if (stream === 'stdout' && data.includes('ready')) return
        told = (told + data.toString()).slice(-500)
      }
    } catch (cause) {
      if (!signal.aborted) throw cause
      throw new WarrenError('timeout', `the interpreter of this sandbox did not start within ${startDeadlineMs} ms`, {
        cause,
      })
    } finally {
      process.detach()
    }
    throw new WarrenError('unavailable', `the interpreter of this sandbox ended at its start: ${told.trim()}`, {
      hint: 'It may need more memory or more processes.',
    })
  }
}

async function call(
  connection: GuestConnection,
  request: number,
  fields: readonly (readonly [number, FieldValue])[],
): Promise<Fields> {
  try {
    await connection.send(request, encodeFields(fields))
    return await connection.expect(kind.ok)
  } finally {
    connection.close()
  }
}

function stored(path: string, piece: Buffer, state: 'first' | 'more' | 'last'): Buffer {
  return encodeFields([
    [1, path],
    [2, piece],
    [3, state],
  ])
}

function guestCodeOf(error: unknown): unknown {
  return error instanceof WarrenError ? error.details?.guestCode : undefined
}

/** Whether the connection broke, and not somebody inside answered with an error. */
function wasLost(error: unknown): boolean {
  return guestCodeOf(error) === undefined
}

function absent(id: string): never {
  throw new WarrenError('not_found', `there is no context ${id}`)
}
