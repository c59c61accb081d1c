import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../../errors.ts'
import { type AgentAddress, GuestConnection } from './connection.ts'
import { GuestExecution } from './context-execution.ts'
import { encodeFields, Fields, type FieldValue, kind } from './frames.ts'
import type { GuestProcess } from './process.ts'

export interface GuestContextInfo {
  id: string
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

/** Where the service listens inside. Who deletes it there loses his contexts, and the next one has a new service. */
const socketPath = '/tmp/.warren-contexts/python.sock'
/** Loading the libraries takes half a second on a fast machine, many times that on a busy one. */
const startDeadlineMs = 60_000
const attempts = 3
const libraries = ['numpy', 'pandas', 'matplotlib.pyplot']
const environment = {
  // A thread that exists at the fork would be missing after it.
  OPENBLAS_NUM_THREADS: '1',
  OMP_NUM_THREADS: '1',
  MPLBACKEND: 'Agg',
}
const bootstrap = 'import sys; exec(compile(sys.stdin.read(), "contexts.py", "exec"))'
let source: string | undefined

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

  /** Rejects `not_found` for a working directory that is not there, `unavailable` where there is no Python. */
  async create(
    id: string,
    { cwd, preload }: { cwd?: string | undefined; preload: boolean },
    signal?: AbortSignal,
  ): Promise<{ cwd: string }> {
    const fields: [number, FieldValue][] = [
      [1, id],
      [2, cwd],
    ]
    for (let attempt = 1; ; attempt++) {
      const connection = (await this.#reach(signal)) ?? (await this.#reachStarted(preload, signal))
      try {
        return { cwd: (await call(connection, kind.contextCreate, fields)).text(2) ?? '' }
      } catch (error) {
        // A service that has just been killed accepts for a moment more.
        if (attempt === attempts || signal?.aborted || !wasLost(error)) throw error
        await sleep(50)
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
        found.push({ ...info, busy: fields.text(4) === '1', cwd: fields.text(5) ?? '' })
      }
    } finally {
      connection.close()
    }
    return found
  }

  /** Runs code in a context. Rejects `not_found` without one, `conflict` while it runs something already. */
  async execute(id: string, code: string, signal?: AbortSignal): Promise<GuestExecution> {
    const connection = (await this.#reach(signal)) ?? absent(id)
    await connection.send(
      kind.contextExecute,
      encodeFields([
        [1, id],
        [2, code],
      ]),
    )
    return new GuestExecution(connection, this.#deps.wasOutOfMemory)
  }

  /** Ends a context and what it has started, unless that has left its session. */
  async remove(id: string): Promise<void> {
    await call((await this.#reach()) ?? absent(id), kind.contextRemove, [[1, id]])
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
    source ??= readFileSync(new URL('./contexts.py', import.meta.url), 'utf8')
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
      await process.write(Buffer.from(source))
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

/** Whether the connection broke, and not somebody inside answered with an error. */
function wasLost(error: unknown): boolean {
  return !(error instanceof WarrenError) || error.details?.guestCode === undefined
}

function absent(id: string): never {
  throw new WarrenError('not_found', `there is no context ${id}`)
}
