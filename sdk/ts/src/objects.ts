import { bucketPath } from './buckets.ts'
import type { Content, Transport } from './transport.ts'

export interface ObjectInfo {
  key: string
  sizeBytes: number
  /** SHA-256 of the content, hexadecimal. */
  etag: string
  contentType: string
  metadata: Record<string, string>
  modifiedAt: string
}

/** Only of the object that has this etag, else `conflict`. */
export interface ObjectCondition {
  /** `*`: of any that is there. */
  ifMatch?: string | undefined
  signal?: AbortSignal | undefined
}

export interface PutObjectOptions extends ObjectCondition {
  /** `*`: only when there is none of that key. */
  ifNoneMatch?: string | undefined
  contentType?: string | undefined
  /** Names of small letters, digits and dashes; values of visible ASCII. */
  metadata?: Record<string, string> | undefined
}

export interface GetObjectOptions extends ObjectCondition {
  /** First byte; default 0. */
  offset?: number | undefined
  /** How many bytes; default to the end. */
  length?: number | undefined
}

export interface ListObjectsOptions {
  prefix?: string | undefined
  /** What is the same up to it, behind the prefix, is told as one of `prefixes`. */
  delimiter?: string | undefined
  /** Default 100, at most 1000. */
  limit?: number | undefined
  cursor?: string | undefined
}

export interface ObjectPage {
  objects: ObjectInfo[]
  prefixes: string[]
  /** Goes on after this page; absent on the last. */
  cursor?: string
}

export interface SignOptions {
  /** GET allows HEAD too. */
  method: 'GET' | 'PUT' | 'DELETE'
  /** Default 900, at most a week. */
  expiresInSeconds?: number | undefined
  /** The most that may be put. */
  maxBytes?: number | undefined
}

/** What is in buckets. */
export class Objects {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Writes an object of any size, over the one that was there. Everybody sees the old one until it is whole. */
  put(
    bucket: string,
    key: string,
    content: Content,
    { contentType, metadata = {}, signal, ...condition }: PutObjectOptions = {},
  ): Promise<ObjectInfo> {
    const named = Object.entries(metadata).map(([name, value]) => [`Warren-Meta-${name}`, value])
    const headers = {
      ...conditionHeaders(condition),
      ...(contentType === undefined ? {} : { 'Content-Type': contentType }),
      ...(Object.fromEntries(named) as Record<string, string>),
    }
    return this.#transport.json('PUT', objectPath(bucket, key), { content, headers, signal })
  }

  async get(bucket: string, key: string, options: GetObjectOptions = {}): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#open(bucket, key, options)).arrayBuffer())
  }

  async getText(bucket: string, key: string, options: GetObjectOptions = {}): Promise<string> {
    return (await this.#open(bucket, key, options)).text()
  }

  /** An object of any size, piece by piece. */
  async getStream(bucket: string, key: string, options: GetObjectOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#open(bucket, key, options)
    return body ?? new Blob([]).stream()
  }

  /** What is known of it, without the content. Throws `not_found`. */
  async stat(bucket: string, key: string): Promise<ObjectInfo> {
    const { headers } = await this.#transport.send('HEAD', objectPath(bucket, key))
    const prefix = 'warren-meta-'
    const named = [...headers].filter(([name]) => name.startsWith(prefix))
    return {
      key,
      sizeBytes: Number(headers.get('content-length')),
      etag: (headers.get('etag') ?? '').replace(/^"|"$/g, ''),
      contentType: headers.get('content-type') ?? '',
      metadata: Object.fromEntries(named.map(([name, value]) => [name.slice(prefix.length), value])),
      modifiedAt: new Date(headers.get('last-modified') ?? 0).toISOString(),
    }
  }

  /** One page, by the bytes of the keys. */
  list(bucket: string, options: ListObjectsOptions = {}): Promise<ObjectPage> {
    return this.#transport.json('GET', `${bucketPath(bucket)}/objects`, { query: { ...options } })
  }

  /** All of them, page by page. */
  async *listAll(bucket: string, options: { prefix?: string | undefined } = {}): AsyncGenerator<ObjectInfo, void> {
    let cursor: string | undefined
    do {
      const page: ObjectPage = await this.list(bucket, { ...options, limit: 1000, cursor })
      yield* page.objects
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  /** Throws `not_found` when there is none. */
  delete(bucket: string, key: string, { signal, ...condition }: ObjectCondition = {}): Promise<void> {
    return this.#transport.done('DELETE', objectPath(bucket, key), { headers: conditionHeaders(condition), signal })
  }

  /** An address that allows this to whoever has it, without a key. */
  sign(
    bucket: string,
    key: string,
    options: SignOptions,
  ): Promise<{ url: string; method: SignOptions['method']; expiresAt: string }> {
    return this.#transport.json('POST', `${bucketPath(bucket)}/sign`, { json: { key, ...options } })
  }

  #open(bucket: string, key: string, { offset, length, signal, ...condition }: GetObjectOptions): Promise<Response> {
    const first = offset ?? 0
    const isPart = offset !== undefined || length !== undefined
    const range: Record<string, string> = isPart
      ? { Range: `bytes=${first}-${length === undefined ? '' : first + length - 1}` }
      : {}
    const headers = { ...conditionHeaders(condition), ...range }
    return this.#transport.send('GET', objectPath(bucket, key), { headers, signal })
  }
}

function conditionHeaders({
  ifMatch,
  ifNoneMatch,
}: Pick<PutObjectOptions, 'ifMatch' | 'ifNoneMatch'>): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { 'If-Match': quoted(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { 'If-None-Match': quoted(ifNoneMatch) }),
  }
}

function quoted(etag: string): string {
  return etag === '*' ? etag : `"${etag}"`
}

function objectPath(bucket: string, key: string): string {
  return `${bucketPath(bucket)}/objects/${key.split('/').map(encodeURIComponent).join('/')}`
}
