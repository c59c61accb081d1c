// The types name AsyncDisposable, which a project with an older `lib` does not have by itself.
/// <reference lib="esnext.disposable" preserve="true" />

import { Browser } from './browser.ts'
import { type Console, openConsole } from './console.ts'
import { Contexts } from './contexts.ts'
import { WarrenError } from './error.ts'
import { type ExecuteOptions, type ExecuteResult, execute, type Language } from './execute.ts'
import { Files } from './files.ts'
import { followLogs, type LogEntry, readLogs } from './logs.ts'
import { Network, type NetworkReport } from './network.ts'
import { Ports } from './ports.ts'
import type { Process, SpawnOptions } from './process.ts'
import { Processes } from './processes.ts'
import type { Isolation, Limits } from './sandboxes.ts'
import type { SnapshotInfo } from './snapshots.ts'
import { openTerminal, type Terminal, type TerminalOptions } from './terminal.ts'
import type { Transport } from './transport.ts'

export type SandboxState = 'starting' | 'running' | 'pausing' | 'paused' | 'resuming' | 'stopping' | 'failed'

/** A sandbox as the server describes it. Times are ISO 8601. */
export interface SandboxInfo {
  id: string
  state: SandboxState
  template: string
  /** What it runs on, and why the stronger runtimes were passed over. */
  runtime?: {
    driver: string
    isolation: Isolation
    disk: 'loop' | 'tmpfs' | 'none'
    /** Limits that nothing keeps on that host. */
    unenforced: ('cpuCores' | 'memoryMb' | 'maxProcesses')[]
    passedOver: { driver: string; reason: string }[]
  }
  limits: Limits
  /** What it may reach. */
  network: NetworkReport['policy']
  volumes?: { name: string; path: string; readOnly?: boolean }[]
  metadata: Record<string, string>
  createdAt: string
  expiresAt: string
  /** Of a paused sandbox: on the disk, still in the memory of the host, or given up, with the files alone left. */
  memory?: 'saved' | 'resident' | 'none'
  /** What happens when its time is over; whether a pause then keeps what runs; whether what comes in for it resumes it. */
  onTimeout: 'kill' | 'pause'
  keepMemory: boolean
  autoResume: boolean
  /** Why it stops or failed, such as `out_of_memory`. */
  endReason?: string
  /** It came from the warm pool. */
  warm: boolean
  ports: { urlTemplate: string; pathTemplate: string }
}

/** What copies of a sandbox are given. */
export interface CopyOptions {
  /** Whole seconds until a copy stops by itself; default 300. */
  timeout?: number | undefined
  /** Replaces what new processes start with; what runs already keeps its own. */
  env?: Record<string, string> | undefined
  /** Default: the labels of the source. */
  metadata?: Record<string, string> | undefined
  signal?: AbortSignal | undefined
}

/** What a sandbox uses. What is missing cannot be measured on that host. */
export interface Metrics {
  at: string
  /** Processor time since the start, in microseconds. */
  cpuUsec?: number
  memoryBytes?: number
  memoryPeakBytes?: number
  memoryLimitBytes: number
  processes: number
  diskBytes?: number
  diskLimitBytes: number
  /** How often the kernel killed a process here for want of memory. */
  oomKills?: number
}

/** One thing that was measured of a sandbox: what must be, and what is. */
export interface PostureCheck {
  name:
    | 'user_ids'
    | 'uid_map'
    | 'capabilities'
    | 'no_new_privileges'
    | 'seccomp'
    | 'namespaces'
    | 'descriptors'
    | 'masked_paths'
    | 'control_groups'
    | 'both_views'
  ok: boolean
  expected: string
  /** What the host's /proc says of the processes that run it. */
  outside?: string
  /** What a program in the sandbox finds about itself. */
  inside?: string
}

/** How a sandbox is kept from its host. */
export interface Posture {
  at: string
  /** What runs it on the host: the name of its folder and its control group. */
  instance: string
  driver: string
  isolation: Isolation
  /** All checks are. */
  ok: boolean
  /** Processes of the host that run it, and their threads. */
  processes: number
  threads: number
  checks: PostureCheck[]
}

/** A running sandbox. `await using` kills it at the end of the block. */
export class Sandbox implements AsyncDisposable {
  readonly id: string
  readonly browser: Browser
  readonly contexts: Contexts
  readonly files: Files
  readonly network: Network
  readonly ports: Ports
  readonly processes: Processes
  readonly #transport: Transport
  readonly #path: string
  #info: SandboxInfo

  constructor(transport: Transport, info: SandboxInfo) {
    this.id = info.id
    this.#info = info
    this.#transport = transport
    this.#path = `/v1/sandboxes/${encodeURIComponent(info.id)}`
    this.browser = new Browser(transport, this.#path)
    this.contexts = new Contexts(transport, this.#path)
    this.files = new Files(transport, this.#path)
    this.network = new Network(transport, this.#path)
    this.ports = new Ports(transport, this.#path, info.ports.urlTemplate)
    this.processes = new Processes(transport, this.#path)
  }

  /** What the server last said about it; `refresh` asks again. */
  get info(): SandboxInfo {
    return this.#info
  }

  async refresh(): Promise<SandboxInfo> {
    this.#info = await this.#transport.json('GET', this.#path)
    return this.#info
  }

  /** Runs code and waits for its end. A failing program is a result, not an error. Python unless said. */
  run(code: string, options: ExecuteOptions & { language?: Language | undefined } = {}): Promise<ExecuteResult> {
    const { language, ...rest } = options
    return execute(this.#transport, this.#path, { code, language }, rest)
  }

  /** Runs a command, a line for the shell or a list of arguments, and waits for its end. */
  exec(command: string | string[], options: ExecuteOptions = {}): Promise<ExecuteResult> {
    return execute(this.#transport, this.#path, { command }, options)
  }

  /** Starts a process that goes on by itself, whoever listens. */
  spawn(command: string | string[], options: SpawnOptions = {}): Promise<Process> {
    return this.processes.spawn(command, options)
  }

  /** Opens a terminal with a shell, or with `command`. */
  terminal(options: TerminalOptions = {}): Promise<Terminal> {
    return openTerminal(this.#transport, this.#path, options)
  }

  /** Attaches to the serial console of a microVM. Throws `invalid_request` for a sandbox that is no machine of its own. */
  async console(options: { onData: (bytes: Uint8Array) => void }): Promise<Console> {
    // Why the server refuses a WebSocket cannot be heard.
    const { runtime } = this.info
    if (runtime && runtime.isolation !== 'microvm') {
      const hint = 'Only microVMs have one. Ask for isolation "microvm", or look at the logs.'
      throw new WarrenError('invalid_request', `a sandbox of ${runtime.driver} has no serial console`, { hint })
    }
    return openConsole(this.#transport, this.#path, options.onData)
  }

  /** What the processes have printed, oldest first, as far as the sandbox still holds it. */
  logs(options: { after?: number | undefined } = {}): Promise<LogEntry[]> {
    return readLogs(this.#transport, this.#path, options)
  }

  /** As `logs`, then everything new until the sandbox ends or `signal` is aborted. */
  followLogs(
    options: { after?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<LogEntry, void> {
    return followLogs(this.#transport, this.#path, options)
  }

  metrics(): Promise<Metrics> {
    return this.#transport.json('GET', `${this.#path}/metrics`)
  }

  /** How it is kept from its host, measured from outside and from inside. */
  posture(options: { signal?: AbortSignal | undefined } = {}): Promise<Posture> {
    return this.#transport.json('GET', `${this.#path}/posture`, options)
  }

  /** From now on it lives for `timeout` seconds. */
  async setTimeout(timeout: number): Promise<SandboxInfo> {
    this.#info = await this.#transport.json('POST', `${this.#path}/timeout`, { json: { timeout } })
    return this.#info
  }

  /**
   * Lets it stand still, with its memory on the disk where the runtime can: `info.memory` tells. It is kept for `timeout`
   * seconds, by default a week. Until `resume` everything else is answered by `conflict`, or with `autoResume` resumes it. `memory: false` gives up what runs
   * and keeps the files alone: on `resume` it begins anew with these.
   */
  async pause(options: { timeout?: number | undefined; memory?: boolean | undefined } = {}): Promise<SandboxInfo> {
    this.#info = await this.#transport.json('POST', `${this.#path}/pause`, { json: options })
    return this.#info
  }

  /**
   * Lets it go on where it stood still, for `timeout` seconds or the time it had left. `memory: false` gives up what ran: it begins
   * anew with its files.
   */
  async resume(options: { timeout?: number | undefined; memory?: boolean | undefined } = {}): Promise<SandboxInfo> {
    this.#info = await this.#transport.json('POST', `${this.#path}/resume`, { json: options })
    return this.#info
  }

  /** Live copies, by default one, which go on from this moment with all that runs here; so does the sandbox itself. */
  async fork({ signal, ...json }: CopyOptions & { count?: number | undefined } = {}): Promise<Sandbox[]> {
    const path = `${this.#path}/fork`
    const { sandboxes } = await this.#transport.json<{ sandboxes: SandboxInfo[] }>('POST', path, { json, signal })
    return sandboxes.map((info) => new Sandbox(this.#transport, info))
  }

  /** A fork of one. */
  async clone({ signal, ...json }: CopyOptions = {}): Promise<Sandbox> {
    return new Sandbox(this.#transport, await this.#transport.json('POST', `${this.#path}/clone`, { json, signal }))
  }

  /** Saves it, while it goes on. The snapshot outlives it. */
  snapshot(options: { name?: string | undefined; signal?: AbortSignal | undefined } = {}): Promise<SnapshotInfo> {
    const { signal, ...json } = options
    return this.#transport.json('POST', `${this.#path}/snapshots`, { json, signal })
  }

  /** Ends it and everything in it. Resolves when nothing is left. Throws `not_found` when it has ended before. */
  kill(): Promise<void> {
    return this.#transport.done('DELETE', this.#path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch((error) => {
      if (error.code !== 'not_found') throw error
    })
  }
}
