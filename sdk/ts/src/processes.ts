import type { Language } from './execute.ts'
import { Process, type SpawnOptions } from './process.ts'
import type { Transport } from './transport.ts'

type Program = { command: string | string[] } | { code: string; language?: Language | undefined }

export interface ProcessInfo {
  id: string
  pid: number
  command: string[]
  user: string
  cwd: string
  startedAt: string
  tag?: string
  pty: boolean
  state: 'running' | 'exited'
  exitCode: number | null
  signal?: string
}

/** The processes started in a sandbox through Warren, the ended ones for a few minutes more. */
export class Processes {
  readonly #transport: Transport
  readonly #sandboxPath: string

  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#sandboxPath = sandboxPath
  }

  spawn(command: string | string[], options: SpawnOptions = {}): Promise<Process> {
    return this.#start({ command, ...options })
  }

  /** As `spawn`, with code instead of a command. */
  spawnCode(code: string, options: SpawnOptions & { language?: Language | undefined } = {}): Promise<Process> {
    return this.#start({ code, ...options })
  }

  async list(): Promise<ProcessInfo[]> {
    const path = `${this.#sandboxPath}/processes`
    return (await this.#transport.json<{ processes: ProcessInfo[] }>('GET', path)).processes
  }

  /** A process started earlier, by its id. Asks nothing: a wrong id shows with the first use. */
  get(id: string): Process {
    return new Process(this.#transport, this.#sandboxPath, { id })
  }

  async #start({ onStdout, onStderr, ...json }: SpawnOptions & Program): Promise<Process> {
    const path = `${this.#sandboxPath}/processes`
    const { id, pid } = await this.#transport.json<{ id: string; pid: number }>('POST', path, { json })
    return new Process(this.#transport, this.#sandboxPath, { id, pid, onStdout, onStderr })
  }
}
