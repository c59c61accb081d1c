import type { Transport } from './transport.ts'

export interface BucketInfo {
  id: string
  name: string
  /** How many are in it. */
  objects: number
  /** Of them together. */
  sizeBytes: number
  createdAt: string
}

/** Where objects are kept. What is in them: `warren.objects`. */
export class Buckets {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Throws `conflict` when there is one of that name. */
  create(name: string): Promise<BucketInfo> {
    return this.#transport.json('POST', '/v1/buckets', { json: { name } })
  }

  get(name: string): Promise<BucketInfo> {
    return this.#transport.json('GET', bucketPath(name))
  }

  async list(): Promise<BucketInfo[]> {
    return (await this.#transport.json<{ buckets: BucketInfo[] }>('GET', '/v1/buckets')).buckets
  }

  /** Throws `conflict` while something is in it. */
  delete(name: string): Promise<void> {
    return this.#transport.done('DELETE', bucketPath(name))
  }
}

export function bucketPath(name: string): string {
  return `/v1/buckets/${encodeURIComponent(name)}`
}
