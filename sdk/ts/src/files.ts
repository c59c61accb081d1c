import { WarrenError } from './error.ts'
import { type FileWatch, watchFiles } from './file-watch.ts'
import type { Content, Transport } from './transport.ts'

export interface FileStat {
  path: string
  name: string
  type: 'file' | 'directory' | 'symlink' | 'other'
  /** Bytes. */
  size: number
  /** Permissions in octal, such as `0644`. */
  mode: string
  uid: number
  gid: number
  owner: string
  group: string
  modifiedAt: string
  symlinkTarget?: string
}

/** Who acts; default `user`. What that user may not do in the sandbox is `forbidden`. */
export interface FileOptions {
  user?: string | undefined
  signal?: AbortSignal | undefined
}

export interface ReadOptions extends FileOptions {
  /** First byte; default 0. */
  offset?: number | undefined
  /** How many bytes; default to the end. */
  length?: number | undefined
}

export interface WriteOptions extends FileOptions {
  /** Permissions in octal of a file that this creates; default `0644`. */
  mode?: string | undefined
}

/** The files of a sandbox. Paths are absolute, or relative to the user's home. */
export class Files {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, sandboxPath: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/files`
  }

  async read(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#open(path, options)).arrayBuffer())
  }

  async readText(path: string, options: ReadOptions = {}): Promise<string> {
    return (await this.#open(path, options)).text()
  }

  /** A file of any size, piece by piece. */
  async readStream(path: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#open(path, options)
    return body ?? new Blob([]).stream()
  }

  /** Writes a file, which exists afterwards with exactly this content. Folders on the way are made. */
  write(path: string, content: Content, { signal, ...query }: WriteOptions = {}): Promise<FileStat> {
    return this.#transport.json('PUT', this.#path, { query: { path, ...query }, content, signal })
  }

  stat(path: string, { signal, ...query }: FileOptions = {}): Promise<FileStat> {
    return this.#transport.json('GET', `${this.#path}/stat`, { query: { path, ...query }, signal })
  }

  async exists(path: string, options?: FileOptions): Promise<boolean> {
    try {
      await this.stat(path, options)
      return true
    } catch (error) {
      if (error instanceof WarrenError && error.code === 'not_found') return false
      throw error
    }
  }

  /** What lies in a folder: itself with `depth` 1, which is the default, everything below it with 0. */
  async list(
    path: string,
    { signal, ...query }: FileOptions & { depth?: number | undefined } = {},
  ): Promise<FileStat[]> {
    const options = { query: { path, ...query }, signal }
    return (await this.#transport.json<{ entries: FileStat[] }>('GET', `${this.#path}/list`, options)).entries
  }

  /** Makes a folder and those on the way to it. It may exist. */
  mkdir(path: string, { signal, ...options }: WriteOptions = {}): Promise<FileStat> {
    return this.#transport.json('POST', `${this.#path}/mkdir`, { json: { path, ...options }, signal })
  }

  move(from: string, to: string, { signal, ...options }: FileOptions = {}): Promise<FileStat> {
    return this.#transport.json('POST', `${this.#path}/move`, { json: { from, to, ...options }, signal })
  }

  /** Removes a file or an empty folder; with `recursive` also a full one. */
  remove(path: string, { signal, ...query }: FileOptions & { recursive?: boolean | undefined } = {}): Promise<void> {
    return this.#transport.done('DELETE', this.#path, { query: { path, ...query }, signal })
  }

  chmod(path: string, mode: string, { signal, ...options }: FileOptions = {}): Promise<FileStat> {
    return this.#transport.json('POST', `${this.#path}/chmod`, { json: { path, mode, ...options }, signal })
  }

  /** Gives the file at an absolute path to `owner`, and to `group` if given: names or numbers. Root of the sandbox does it. */
  chown(
    path: string,
    owner: string,
    { signal, ...options }: { group?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<FileStat> {
    return this.#transport.json('POST', `${this.#path}/chown`, { json: { path, owner, ...options }, signal })
  }

  /** Watches a file or a folder. Resolves when nothing that happens from now on is missed. */
  watch(path: string, options: FileOptions & { recursive?: boolean | undefined } = {}): Promise<FileWatch> {
    return watchFiles(this.#transport, `${this.#path}/watch`, { path, ...options })
  }

  #open(path: string, { offset, length, signal, ...query }: ReadOptions): Promise<Response> {
    const headers = rangeHeader(offset, length)
    return this.#transport.send('GET', this.#path, { query: { path, ...query }, headers, signal })
  }
}

function rangeHeader(offset: number | undefined, length: number | undefined): Record<string, string> {
  if (offset === undefined && length === undefined) return {}
  const first = offset ?? 0
  return { Range: `bytes=${first}-${length === undefined ? '' : first + length - 1}` }
}
