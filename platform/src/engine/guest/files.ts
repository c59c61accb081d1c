import { Readable } from 'node:stream'
import { WarrenError } from '../../errors.ts'
import { type AgentAddress, answerMs, GuestConnection } from './connection.ts'
import { chunkBytes, Fields, kind } from './frames.ts'

export interface FileStat {
  path: string
  name: string
  type: 'file' | 'directory' | 'symlink' | 'other'
  /** Bytes. */
  size: number
  /** Permission bits, 0 to 0o7777. */
  mode: number
  uid: number
  gid: number
  owner: string
  group: string
  /** Unix milliseconds. */
  modifiedAt: number
  symlinkTarget?: string
}

export interface WatchEvent {
  type: 'create' | 'write' | 'remove' | 'rename' | 'chmod' | 'overflow'
  /** Relative to the watched directory. */
  path: string
  /** Unix milliseconds. */
  at: number
}

export interface WriteOptions {
  user?: string
  /** Permission bits of a file this creates; 0o644 when left out. */
  mode?: number
  append?: boolean
  exclusive?: boolean
  parents?: boolean
  /** Written beside and renamed over, so that readers see the old or the new content, never a part. */
  atomic?: boolean
}

/** How long an agent may take to go through a whole tree, milliseconds. */
const treeMs = 600_000

/** File operations inside one sandbox, done there by its guest agent with the rights of `user`. No host path is involved. */
export class GuestFiles {
  readonly #agent: AgentAddress
  readonly #defaultUser: string

  constructor(agent: AgentAddress, defaultUser: string) {
    this.#agent = agent
    this.#defaultUser = defaultUser
  }

  /** Opens a file. `length` bytes from `offset`, else all of it. Destroy the stream to give up early. */
  async read(
    path: string,
    options: { user?: string; offset?: number; length?: number } = {},
    signal?: AbortSignal,
  ): Promise<{ stat: FileStat; stream: Readable }> {
    const connection = await this.#open(
      kind.read,
      path,
      options.user,
      [
        [3, options.offset],
        [4, options.length],
      ],
      signal,
    )
    try {
      const stat = readStat(await connection.expect(kind.ok))
      return { stat, stream: Readable.from(dataOf(connection), { objectMode: false, highWaterMark: 256 * 1024 }) }
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Writes a file from a buffer or a stream of any size. A file this created is removed again when the source fails. */
  async write(
    path: string,
    source: Buffer | AsyncIterable<Buffer>,
    options: WriteOptions = {},
    signal?: AbortSignal,
  ): Promise<FileStat> {
    const flags = (['append', 'exclusive', 'parents', 'atomic'] as const).filter((flag) => options[flag]).join(',')
    const connection = await this.#open(
      kind.write,
      path,
      options.user,
      [
        [3, (options.mode ?? 0o644).toString(8)],
        [4, flags],
      ],
      signal,
    )
    const answer = connection.expect(kind.ok, 'never') // it comes after the last of the data
    let refused = false
    answer.catch(() => {
      refused = true
    })
    try {
      for await (const chunk of Buffer.isBuffer(source) ? [source] : source) {
        for (let at = 0; at < chunk.length && !refused; at += chunkBytes) {
          await connection.send(kind.data, chunk.subarray(at, at + chunkBytes))
        }
        if (refused) break
      }
      if (!refused) await connection.send(kind.end)
    } catch (error) {
      // The guest's own reason, when it has already given one, says more than a broken pipe.
      if (!refused) {
        connection.close()
        await answer.catch(() => {})
        throw error
      }
    }
    try {
      return readStat(await answer)
    } finally {
      connection.close()
    }
  }

  async stat(path: string, options: { user?: string; nofollow?: boolean } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.stat, path, options.user, [[3, options.nofollow ? 1 : undefined]]))
  }

  /** Entries below a directory. `depth` 1 is the directory itself, 0 everything below it. */
  async *list(
    path: string,
    options: { user?: string; depth?: number } = {},
    signal?: AbortSignal,
  ): AsyncGenerator<FileStat> {
    const connection = await this.#open(kind.list, path, options.user, [[3, options.depth ?? 1]], signal)
    try {
      for await (const frame of connection.answers(answerMs)) {
        if (frame.kind === kind.entry) yield readStat(new Fields(frame.payload))
      }
    } finally {
      connection.close()
    }
  }

  /** Makes a directory. With `parents` an existing one is no error and `created` says which it was. */
  async mkdir(
    path: string,
    options: { user?: string; mode?: number; parents?: boolean } = {},
  ): Promise<FileStat & { created: boolean }> {
    const fields = await this.#call(kind.mkdir, path, options.user, [
      [3, (options.mode ?? 0o755).toString(8)],
      [4, options.parents ? 1 : undefined],
    ])
    return { ...readStat(fields), created: fields.text(20) === '1' }
  }

  async move(from: string, to: string, options: { user?: string } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.move, from, options.user, [[3, to]]))
  }

  async remove(path: string, options: { user?: string; recursive?: boolean } = {}): Promise<void> {
    await this.#call(kind.remove, path, options.user, [[3, options.recursive ? 1 : undefined]], treeMs)
  }

  async chmod(path: string, mode: number, options: { user?: string } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.chmod, path, options.user, [[3, mode.toString(8)]]))
  }

  async chown(
    path: string,
    owner: string,
    group: string | undefined,
    options: { user?: string } = {},
  ): Promise<FileStat> {
    return readStat(
      await this.#call(kind.chown, path, options.user ?? 'root', [
        [3, owner],
        [4, group],
      ]),
    )
  }

  async symlink(target: string, path: string, options: { user?: string } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.symlink, target, options.user, [[3, path]]))
  }

  async setXattr(path: string, name: string, value: Buffer, options: { user?: string } = {}): Promise<void> {
    await this.#call(kind.xattr, path, options.user, [
      [3, 'set'],
      [4, name],
      [5, value],
    ])
  }

  async removeXattr(path: string, name: string, options: { user?: string } = {}): Promise<void> {
    await this.#call(kind.xattr, path, options.user, [
      [3, 'remove'],
      [4, name],
    ])
  }

  async listXattrs(path: string, options: { user?: string } = {}): Promise<Record<string, string>> {
    const fields = await this.#call(kind.xattr, path, options.user, [[3, 'list']])
    const values = fields.list(5)
    return Object.fromEntries(fields.list(4).map((name, index) => [name, values[index] ?? '']))
  }

  /** Watches a directory from the moment this resolves until `signal` aborts or the events are given up. */
  async watch(
    path: string,
    options: { user?: string; recursive?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<AsyncGenerator<WatchEvent>> {
    const connection = await this.#open(
      kind.watch,
      path,
      options.user,
      [[3, options.recursive ? 1 : undefined]],
      signal,
    )
    try {
      await connection.expect(kind.ok, treeMs)
    } catch (error) {
      connection.close()
      throw error
    }
    return eventsOf(connection)
  }

  #open(
    request: number,
    path: string,
    user: string | undefined,
    rest: readonly (readonly [number, string | number | Buffer | undefined])[],
    signal?: AbortSignal,
  ): Promise<GuestConnection> {
    return GuestConnection.open(
      this.#agent.socketPath,
      request,
      [[1, path], [2, user ?? this.#defaultUser], ...rest],
      signal,
    )
  }

  async #call(
    request: number,
    path: string,
    user: string | undefined,
    rest: readonly (readonly [number, string | number | Buffer | undefined])[] = [],
    deadlineMs = answerMs,
  ): Promise<Fields> {
    const connection = await this.#open(request, path, user, rest)
    try {
      return await connection.expect(kind.ok, deadlineMs)
    } finally {
      connection.close()
    }
  }
}

async function* dataOf(connection: GuestConnection): AsyncGenerator<Buffer> {
  try {
    for (;;) {
      const frame = await connection.next()
      if (!frame) throw new WarrenError('unavailable', 'the sandbox ended while a file was read')
      if (frame.kind === kind.end) return
      if (frame.kind === kind.data && frame.payload.length > 0) yield frame.payload
    }
  } finally {
    connection.close()
  }
}

async function* eventsOf(connection: GuestConnection): AsyncGenerator<WatchEvent> {
  try {
    for (;;) {
      const frame = await connection.next()
      if (!frame) return
      if (frame.kind !== kind.event) continue
      const fields = new Fields(frame.payload)
      yield {
        type: (fields.text(1) ?? 'overflow') as WatchEvent['type'],
        path: fields.text(2) ?? '',
        at: fields.time(3),
      }
    }
  } finally {
    connection.close()
  }
}

function readStat(fields: Fields): FileStat {
  const target = fields.text(11)
  return {
    path: fields.text(1) ?? '',
    name: fields.text(2) ?? '',
    type: (fields.text(3) ?? 'other') as FileStat['type'],
    size: fields.count(4),
    mode: Number.parseInt(fields.text(5) ?? '0', 8) & 0o7777,
    uid: fields.count(6),
    gid: fields.count(7),
    owner: fields.text(8) ?? '',
    group: fields.text(9) ?? '',
    modifiedAt: fields.time(10),
    ...(target === undefined ? {} : { symlinkTarget: target }),
  }
}
