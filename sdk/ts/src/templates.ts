import { WarrenError } from './error.ts'
import type { Content, Transport } from './transport.ts'

export type BuildState = 'waiting' | 'building' | 'ready' | 'error'

/** What sandboxes can start from. Times are ISO 8601. */
export interface Template {
  id: string
  name: string
  description: string
  /** `ready` once a build of it can be used. */
  state: BuildState
  tags: string[]
  createdAt?: string
  updatedAt?: string
  cpuCores?: number
  memoryMb?: number
  /** The newest build. */
  build?: string
  /** What the newest build does, or why it failed. */
  progress?: string
}

/** `RUN [command, user?]`, `COPY [source, destination, owner?, mode?]`, `ENV [name, value, …]`, `WORKDIR [path]`, `USER [name]`. */
export interface TemplateStep {
  type: 'RUN' | 'COPY' | 'ENV' | 'WORKDIR' | 'USER'
  args: string[]
  /** Done again, with all that follow, even where its result is known. */
  force?: boolean
  /** Of a COPY: the upload that it takes its files from. */
  filesHash?: string
  /** The upload holds more than this step copies, and the source chooses from it. */
  wholeContext?: boolean
}

/** A Dockerfile, and the files that it copies. */
export interface DockerfilePlan {
  text: string
  /** Values for ARG. */
  buildArgs?: Record<string, string>
  /** The stage that is wanted. Default: the last one. */
  target?: string
  /** For the line of each COPY that takes files of the folder: the upload that has them. */
  uploads?: Record<string, string>
}

export interface BuildTemplateOptions {
  /** `name:tag` for a tag other than `default`. */
  name: string
  tags?: string[]
  /** What it begins with, one of the two. Default: the template `base`. */
  from?: { template?: string; image?: string }
  /** Who fetches the image. */
  registry?: { username: string; password: string }
  steps?: TemplateStep[]
  /** Instead of both. */
  dockerfile?: DockerfilePlan
  /** Runs in every sandbox of it from the beginning. */
  startCommand?: string
  /** Succeeds once a sandbox can be used. */
  readyCommand?: string
  /** What is started is never saved with its memory: each sandbox starts it anew, and has keys and seeds of its own in it. */
  startAnew?: boolean
  /** Nothing that has been done before is used. */
  force?: boolean
  cpuCores?: number
  memoryMb?: number
}

export interface BuildLogEntry {
  at: string
  level: 'debug' | 'info' | 'warn' | 'error'
  step?: string
  message: string
}

export interface TemplateBuild {
  id: string
  /** The id of its template. */
  template: string
  state: BuildState
  tags: string[]
  reason?: { message: string; step?: string }
  createdAt: string
  finishedAt?: string
  log: BuildLogEntry[]
}

const pollMs = 300

/** The templates of a server. */
export class Templates {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(): Promise<Template[]> {
    return (await this.#transport.json<{ templates: Template[] }>('GET', '/v1/templates')).templates
  }

  /** By name or id. Throws `not_found`. */
  get(name: string): Promise<Template> {
    return this.#transport.json('GET', pathOf(name))
  }

  /** Builds a template and waits until it is ready. Throws `conflict` with the reason where it cannot be built. */
  async build(
    options: BuildTemplateOptions,
    following: { onLog?: (entry: BuildLogEntry) => void; signal?: AbortSignal | undefined } = {},
  ): Promise<TemplateBuild> {
    return this.follow(await this.begin(options), following)
  }

  /** Asks for a build, and leaves it at that. */
  begin(options: BuildTemplateOptions): Promise<TemplateBuild> {
    return this.#transport.json('POST', '/v1/templates', { json: options })
  }

  /** Waits for the end of a build that was begun. */
  async follow(
    { template, id }: Pick<TemplateBuild, 'template' | 'id'>,
    { onLog, signal }: { onLog?: (entry: BuildLogEntry) => void; signal?: AbortSignal | undefined } = {},
  ): Promise<TemplateBuild> {
    for (let logsAfter = 0; ; ) {
      const build = await this.status(template, id, { logsAfter, signal })
      for (const entry of build.log) onLog?.(entry)
      logsAfter += build.log.length
      if (build.log.length > 0) continue
      if (build.state === 'ready') return build
      if (build.state === 'error')
        throw new WarrenError('conflict', build.reason?.message ?? 'the template could not be built', {
          details: { build: id, ...(build.reason?.step === undefined ? {} : { step: build.reason.step }) },
        })
      await pause(pollMs, signal)
    }
  }

  /** How a build fares, and a page of what it said. */
  status(
    template: string,
    build: string,
    options: { logsAfter?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<TemplateBuild> {
    const { logsAfter, signal } = options
    const query = { logsAfter: logsAfter === undefined ? undefined : String(logsAfter) }
    return this.#transport.json('GET', `${pathOf(template)}/builds/${encodeURIComponent(build)}`, { query, signal })
  }

  /** Sandboxes that run from it go on. Throws `not_found`. */
  remove(name: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(name))
  }

  /** Gives files to builds: a tar archive, named by its SHA-256. */
  async upload(hash: string, content: Content, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const path = `/v1/templates/uploads/${encodeURIComponent(hash)}`
    const { present } = await this.#transport.json<{ present: boolean }>('GET', path, options)
    if (!present) await this.#transport.done('PUT', path, { content, ...options })
  }
}

function pathOf(name: string): string {
  return `/v1/templates/${encodeURIComponent(name)}`
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', abort, { once: true })
  })
}
