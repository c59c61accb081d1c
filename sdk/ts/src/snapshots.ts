import type { Limits } from './sandboxes.ts'
import type { Content, Transport } from './transport.ts'

/** A saved state of a sandbox, which outlives it. Times are ISO 8601. */
export interface SnapshotInfo {
  id: string
  name?: string
  /** What it was taken of. Absent for one that was imported. */
  sandbox?: string
  /** `memory`: what ran goes on, with its files. `files`: a new sandbox begins with them. */
  keeps: 'memory' | 'files'
  /** The runtime that can bring it back. */
  driver: string
  template: string
  limits: Limits
  /** What it takes on the disk of the host. */
  sizeBytes: number
  createdAt: string
}

export interface ListSnapshotsOptions {
  name?: string | undefined
  /** Only those that were taken of the sandbox with this id. */
  sandbox?: string | undefined
  /** At most so many; default all. */
  limit?: number | undefined
  signal?: AbortSignal | undefined
}

/** The snapshots of an account. One is taken by `sandbox.snapshot()` and used by `sandboxes.create({ snapshot })`. */
export class Snapshots {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Throws `not_found` when there is none. */
  get(id: string): Promise<SnapshotInfo> {
    return this.#transport.json('GET', pathOf(id))
  }

  /** Newest first. */
  async list(options: ListSnapshotsOptions = {}): Promise<SnapshotInfo[]> {
    const { name, sandbox, limit = Number.POSITIVE_INFINITY, signal } = options
    const found: SnapshotInfo[] = []
    for (let cursor: string | undefined; ; ) {
      const query = { name, sandbox, cursor }
      const page: SnapshotPage = await this.#transport.json('GET', '/v1/snapshots', { query, signal })
      found.push(...page.snapshots)
      cursor = page.nextCursor
      if (!cursor || found.length >= limit) return found.slice(0, limit)
    }
  }

  /** What was made from it goes on. Throws `not_found` when there is none. */
  delete(id: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(id))
  }

  /** The snapshot as one file. */
  async export(id: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#transport.send('GET', `${pathOf(id)}/export`, options)
    return response.body ?? new ReadableStream({ start: (controller) => controller.close() })
  }

  /** Takes in what `export` gave, here or elsewhere. Throws `invalid_request` for what is cut off or forged. */
  import(
    content: Content,
    options: { name?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<SnapshotInfo> {
    const { name, signal } = options
    return this.#transport.json('POST', '/v1/snapshots/import', { content, query: { name }, signal })
  }
}

function pathOf(id: string): string {
  return `/v1/snapshots/${encodeURIComponent(id)}`
}

interface SnapshotPage {
  snapshots: SnapshotInfo[]
  nextCursor?: string
}
