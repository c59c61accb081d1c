import { errorFromEvent } from './error.ts'
import type { RequestOptions, Transport } from './transport.ts'

export type FunctionRuntime = 'node24' | 'python3' | 'custom'

/** A version and its share of the calls, in percent. */
export interface FunctionTarget {
  version: number
  weight: number
}

export interface FunctionSettings {
  /** Which export answers calls, such as `index.handler`. */
  handler?: string | undefined
  memoryMb?: number | undefined
  /** Whether `memoryMb` may be changed to what calls show to be better, as a new version. */
  autoMemory?: boolean | undefined
  cpuCores?: number | undefined
  diskMb?: number | undefined
  timeoutSeconds?: number | undefined
  /** Calls that one instance answers at the same time; default 1. */
  concurrency?: number | undefined
  /** More instances than that are never there; 0 stops the function. */
  maxInstances?: number | undefined
  /** So many are kept ready, frozen, of each version that calls go to; default 0. */
  minInstances?: number | undefined
  env?: Record<string, string> | undefined
  /** Names of secrets, which are in its environment and nowhere else. */
  secrets?: string[] | undefined
  /** Names of functions that it may call, or `*`; itself it may always call. */
  invokes?: string[] | undefined
  /** Modules of Python that workers import before there is a call. */
  preload?: string[] | undefined
  internet?: boolean | undefined
  /** Whether its URL answers without a key. */
  public?: boolean | undefined
  retries?: number | undefined
  retrySeconds?: number | undefined
  maxAgeSeconds?: number | undefined
  onSuccess?: { function: string } | { queue: string } | undefined
  onFailure?: { function: string } | { queue: string } | undefined
}

export interface FunctionVersion {
  version: number
  runtime: FunctionRuntime
  codeBytes: number
  codeHash: string
  settings: FunctionSettings
  createdAt: string
}

export interface FunctionInfo {
  id: string
  name: string
  runtime: FunctionRuntime
  /** Requests to it are calls of the function. */
  url: string
  live: FunctionTarget[]
  latest: number
  versions: FunctionVersion[]
  aliases: { name: string; targets: FunctionTarget[]; updatedAt: string }[]
  counts: {
    invocations: number
    errors: number
    timeouts: number
    coldStarts: number
    throttles: number
    totalMs: number
  }
  /** Of the version that most calls go to, since the platform was started. */
  measured?: {
    version: number
    calls: number
    /** What an instance had at most, MiB. */
    memoryMb: { p95: number; max: number }
    /** Processor time by the time a call took. */
    cpuCores: { p95: number; max: number }
    outOfMemory: number
    /** What would do, from 20 calls on. */
    suggestion?: { memoryMb: number; cpuCores: number }
  }
  /** That are there now, frozen ones too. */
  instances: number
  createdAt: string
  updatedAt: string
}

export interface DeployOptions {
  runtime: FunctionRuntime
  /** By path; text or bytes. */
  files: Record<string, string | Uint8Array>
  entry?: string | undefined
  settings?: FunctionSettings | undefined
  /** Whether calls go to it from now on; default true. */
  publish?: boolean | undefined
}

export interface InvokeOptions {
  /** A version, an alias, or `latest`. */
  version?: string | number | undefined
  /** A repeat with the same key gets what the first call came to. */
  idempotencyKey?: string | undefined
  signal?: AbortSignal | undefined
}

export interface Invocation<T = unknown> {
  id: string
  version: number
  trigger: string
  /** `suspended`: it waits for calls that it made, and takes no instance meanwhile. */
  state: 'waiting' | 'running' | 'suspended' | 'succeeded' | 'failed'
  attempt: number
  /** The call that made it. */
  parent?: string
  result?: T
  /** What its answer began with, where it was more than JSON. */
  head?: { status?: number; headers?: [string, string][] }
  error?: { reason: string; message: string; type?: string; stack?: string }
  log: string
  cold?: boolean
  billedMs?: number
  /** Processor time, by the count of the kernel. */
  cpuMs?: number
  createdAt: string
  startedAt?: string
  endedAt?: string
}

/** A line that a call wrote, or that one ended. */
export type FunctionLogEntry = {
  /** Where to go on from, as `after`. */
  id: string
  at: string
  invocation: string
  version: number
} & (
  | { type: 'line'; offset: number; text: string }
  | {
      type: 'end'
      /** `waiting`: the attempt failed, and it is made again. */
      state: Invocation['state']
      error?: { reason: string; message: string }
      billedMs: number
      cold: boolean
    }
)

export interface ScheduleInfo {
  id: string
  cron: string
  timeZone: string
  catchUp: 'skip' | 'one' | 'all'
  payload: unknown
  nextAt?: string
  lastAt?: string
  createdAt: string
}

export interface StorageTriggerInfo {
  id: string
  bucket: string
  prefix: string
  suffix: string
  events: ('object.created' | 'object.removed')[]
  createdAt: string
}

export interface EventTriggerInfo {
  id: string
  /** Types such as `sandbox.failed`, or patterns of them such as `sandbox.*`. */
  events: string[]
  /** Only events about this. */
  subject?: string
  createdAt: string
}

export type HookScheme = 'address' | 'standard-webhooks' | 'github' | 'stripe'

export interface HookOptions {
  /** How a delivery shows that it is genuine; default `address`: its address cannot be guessed. */
  scheme?: HookScheme
  /** Names of secrets, any of which signs. */
  secrets?: string[]
  signatureHeader?: string
  idHeader?: string
  /** How far the time of a signature may be from now; default 300. */
  toleranceSeconds?: number
}

export interface HookInfo {
  id: string
  /** Where deliveries are posted to. Of the scheme `address` it is told when the hook is made, and never again. */
  url?: string
  scheme: HookScheme
  /** Names of secrets. */
  secrets: string[]
  signatureHeader?: string
  idHeader?: string
  toleranceSeconds: number
  createdAt: string
}

export interface RouteOptions {
  /** Such as `/orders/{id}`; `{name+}` at the end stands for all that follows. */
  path: string
  /** Default `*`: all. */
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | '*'
  /** Name or id of a function. */
  function: string
  /** A version, an alias, or `latest`. */
  version?: string
}

export interface RouteInfo {
  id: string
  method: NonNullable<RouteOptions['method']>
  path: string
  url: string
  functionId: string
  version?: string
  createdAt: string
}

/** Code that runs when something calls it. */
export class Functions {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** A new version of `name`, or the function with its first one. Throws `invalid_request` for what cannot be loaded. */
  deploy(name: string, { files, ...options }: DeployOptions): Promise<FunctionInfo> {
    const encoded = Object.entries(files).map(([path, content]) => [path, base64(content)])
    return this.#transport.json('PUT', pathOf(name), { json: { ...options, files: Object.fromEntries(encoded) } })
  }

  get(name: string): Promise<FunctionInfo> {
    return this.#transport.json('GET', pathOf(name))
  }

  async list(): Promise<FunctionInfo[]> {
    return (await this.#transport.json<{ functions: FunctionInfo[] }>('GET', '/v1/functions')).functions
  }

  delete(name: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(name))
  }

  /** Calls it and waits for what it returns. Throws `function_failed` or `timeout` with the reason in `details`. */
  invoke<T = unknown>(name: string, event: unknown = null, options: InvokeOptions = {}): Promise<T> {
    return this.#transport.json<T>('POST', `${pathOf(name)}/invoke`, requestOf(event, options))
  }

  /** As `invoke`, for an answer that comes in pieces. */
  stream(name: string, event: unknown = null, options: InvokeOptions = {}): Promise<Response> {
    return this.#transport.send('POST', `${pathOf(name)}/invoke`, requestOf(event, options))
  }

  /** Puts a call in the queue: it is made at least once. */
  invokeAsync(
    name: string,
    event: unknown = null,
    options: InvokeOptions = {},
  ): Promise<{ id: string; repeated: boolean }> {
    return this.#transport.json('POST', `${pathOf(name)}/invocations`, requestOf(event, options))
  }

  invocation<T = unknown>(name: string, id: string): Promise<Invocation<T>> {
    return this.#transport.json('GET', `${pathOf(name)}/invocations/${encodeURIComponent(id)}`)
  }

  /** Newest first; with `endedAfter` as they ended. */
  async invocations(
    name: string,
    query: { state?: Invocation['state']; search?: string; endedAfter?: string; limit?: number } = {},
  ): Promise<Invocation[]> {
    const path = `${pathOf(name)}/invocations`
    return (await this.#transport.json<{ invocations: Invocation[] }>('GET', path, { query })).invocations
  }

  /**
   * What its calls write, as they do: after the id of an entry, or a time, or from now on. Behind an id nothing is missed; after a
   * pause some of it may come twice, which `invocation` and `offset` tell.
   */
  async *followLogs(
    name: string,
    {
      signal,
      ...query
    }: { after?: string | undefined; search?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<FunctionLogEntry, void> {
    const given = { query: { ...query, follow: true }, signal }
    for await (const { event, data } of this.#transport.events('GET', `${pathOf(name)}/logs`, given)) {
      if (event === 'error') throw errorFromEvent(data)
      yield data as FunctionLogEntry
    }
  }

  /** Lets all calls go to an earlier version: by default the one before that which most go to. */
  rollback(name: string, version?: number): Promise<FunctionInfo> {
    return this.#transport.json('POST', `${pathOf(name)}/rollback`, { json: version === undefined ? {} : { version } })
  }

  /** Says which versions calls go to that name none. */
  setLive(name: string, targets: FunctionTarget[]): Promise<FunctionInfo> {
    return this.#transport.json('PUT', `${pathOf(name)}/live`, { json: { targets } })
  }

  setAlias(name: string, alias: string, targets: FunctionTarget[]): Promise<FunctionInfo> {
    return this.#transport.json('PUT', `${pathOf(name)}/aliases/${encodeURIComponent(alias)}`, { json: { targets } })
  }

  deleteAlias(name: string, alias: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/aliases/${encodeURIComponent(alias)}`)
  }

  /** Calls it by the clock. */
  schedule(
    name: string,
    schedule: { cron: string; timeZone?: string; catchUp?: ScheduleInfo['catchUp']; payload?: unknown },
  ): Promise<ScheduleInfo> {
    return this.#transport.json('POST', `${pathOf(name)}/schedules`, { json: schedule })
  }

  /** Calls it, with a CloudEvent, when objects of a bucket come or go. Default: when they come. */
  triggerOnStorage(
    name: string,
    trigger: { bucket: string; prefix?: string; suffix?: string; events?: StorageTriggerInfo['events'] },
  ): Promise<StorageTriggerInfo> {
    return this.#transport.json('POST', `${pathOf(name)}/storage-triggers`, { json: trigger })
  }

  async storageTriggers(name: string): Promise<StorageTriggerInfo[]> {
    const path = `${pathOf(name)}/storage-triggers`
    return (await this.#transport.json<{ triggers: StorageTriggerInfo[] }>('GET', path)).triggers
  }

  deleteStorageTrigger(name: string, id: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/storage-triggers/${encodeURIComponent(id)}`)
  }

  /** Calls it, with a CloudEvent, when something happens in the organisation: `sandbox.failed`, `sandbox.*`, `*`. */
  triggerOnEvents(name: string, trigger: { events: string[]; subject?: string }): Promise<EventTriggerInfo> {
    return this.#transport.json('POST', `${pathOf(name)}/event-triggers`, { json: trigger })
  }

  async eventTriggers(name: string): Promise<EventTriggerInfo[]> {
    const path = `${pathOf(name)}/event-triggers`
    return (await this.#transport.json<{ triggers: EventTriggerInfo[] }>('GET', path)).triggers
  }

  deleteEventTrigger(name: string, id: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/event-triggers/${encodeURIComponent(id)}`)
  }

  /** An address at which another service calls it by its webhooks. */
  createHook(name: string, hook: HookOptions = {}): Promise<HookInfo & { url: string }> {
    return this.#transport.json('POST', `${pathOf(name)}/hooks`, { json: hook })
  }

  async hooks(name: string): Promise<HookInfo[]> {
    return (await this.#transport.json<{ hooks: HookInfo[] }>('GET', `${pathOf(name)}/hooks`)).hooks
  }

  deleteHook(name: string, id: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/hooks/${encodeURIComponent(id)}`)
  }

  /** Lets requests of a method and a path, below the address of the organisation, be calls of a function. */
  createRoute(route: RouteOptions): Promise<RouteInfo> {
    return this.#transport.json('POST', '/v1/routes', { json: route })
  }

  async routes(): Promise<RouteInfo[]> {
    return (await this.#transport.json<{ routes: RouteInfo[] }>('GET', '/v1/routes')).routes
  }

  deleteRoute(id: string): Promise<void> {
    return this.#transport.done('DELETE', `/v1/routes/${encodeURIComponent(id)}`)
  }

  async schedules(name: string): Promise<ScheduleInfo[]> {
    return (await this.#transport.json<{ schedules: ScheduleInfo[] }>('GET', `${pathOf(name)}/schedules`)).schedules
  }

  deleteSchedule(name: string, id: string): Promise<void> {
    return this.#transport.done('DELETE', `${pathOf(name)}/schedules/${encodeURIComponent(id)}`)
  }
}

function requestOf(event: unknown, { version, idempotencyKey, signal }: InvokeOptions): RequestOptions {
  return {
    json: event,
    query: { version },
    ...(idempotencyKey === undefined ? {} : { headers: { 'Idempotency-Key': idempotencyKey } }),
    signal,
  }
}

function base64(content: string | Uint8Array): string {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  let text = ''
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  return btoa(text)
}

function pathOf(name: string): string {
  return `/v1/functions/${encodeURIComponent(name)}`
}
