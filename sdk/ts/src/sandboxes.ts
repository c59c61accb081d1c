import type { NetworkPolicy } from './network.ts'
import { Sandbox, type SandboxInfo, type SandboxState } from './sandbox.ts'
import type { Query, Transport } from './transport.ts'

export type Isolation = 'none' | 'namespaces' | 'container' | 'userspace-kernel' | 'microvm'

/** What a sandbox may use at most. */
export interface Limits {
  cpuCores: number
  memoryMb: number
  diskMb: number
  maxProcesses: number
  maxOpenFiles: number
}

export interface CreateOptions {
  /** Default `base`. */
  template?: string | undefined
  /** Id of a snapshot to go on from, which brings its template, limits and runtime. */
  snapshot?: string | undefined
  /** Whole seconds until the sandbox stops by itself; default 300. */
  timeout?: number | undefined
  /** What happens when its time is over: it is deleted (`kill`, the default), or paused until somebody resumes it. */
  onTimeout?: 'kill' | 'pause' | undefined
  /** Whether that pause keeps what runs; default true. */
  keepMemory?: boolean | undefined
  /** While it is paused with what ran, whatever comes in for it resumes it first; default false. */
  autoResume?: boolean | undefined
  env?: Record<string, string> | undefined
  /** Labels of your own, which `list` can filter by. */
  metadata?: Record<string, string> | undefined
  limits?: Partial<Limits> | undefined
  /** What it may reach; nothing unless said here or by the operator. */
  network?: NetworkPolicy | undefined
  /** Volumes by name, and where they are inside. Other sandboxes may have them at the same time. */
  volumes?: { name: string; path: string; readOnly?: boolean }[] | undefined
  /**
   * The least isolation accepted; the strongest that is healthy is taken. `driver` asks for one by name, `gpu` for one that
   * gives the host's GPUs.
   */
  isolation?: { min?: Isolation; driver?: string; gpu?: boolean } | undefined
  signal?: AbortSignal | undefined
}

export interface ListOptions {
  state?: SandboxState | undefined
  /** Only sandboxes that carry all of these labels. */
  metadata?: Record<string, string> | undefined
  /** At most so many; default all. */
  limit?: number | undefined
  signal?: AbortSignal | undefined
}

/** The sandboxes of an account. */
export class Sandboxes {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Starts a sandbox. When this rejects, nothing runs. */
  async create({ signal, ...json }: CreateOptions = {}): Promise<Sandbox> {
    return this.#sandbox(await this.#transport.json('POST', '/v1/sandboxes', { json, signal }))
  }

  /** Throws `not_found` when there is none, or when it has ended. */
  async get(id: string): Promise<Sandbox> {
    return this.#sandbox(await this.#transport.json('GET', `/v1/sandboxes/${encodeURIComponent(id)}`))
  }

  /** As `get`, and from now on it lives for another `timeout` seconds, if given. */
  async connect(id: string, options: { timeout?: number } = {}): Promise<Sandbox> {
    const sandbox = await this.get(id)
    if (options.timeout !== undefined) await sandbox.setTimeout(options.timeout)
    return sandbox
  }

  async list(options: ListOptions = {}): Promise<Sandbox[]> {
    const { state, metadata = {}, limit = Number.POSITIVE_INFINITY, signal } = options
    const query: Query = { state }
    for (const [name, value] of Object.entries(metadata)) query[`metadata.${name}`] = value
    const found: Sandbox[] = []
    for (let cursor: string | undefined; ; ) {
      const page: SandboxPage = await this.#transport.json('GET', '/v1/sandboxes', {
        query: { ...query, cursor },
        signal,
      })
      found.push(...page.sandboxes.map((info) => this.#sandbox(info)))
      cursor = page.nextCursor
      if (!cursor || found.length >= limit) return found.slice(0, limit)
    }
  }

  #sandbox(info: SandboxInfo): Sandbox {
    return new Sandbox(this.#transport, info)
  }
}

interface SandboxPage {
  sandboxes: SandboxInfo[]
  nextCursor?: string
}
