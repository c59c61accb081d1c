import { Readable } from 'node:stream'
import { WarrenError } from '../../errors.ts'
import { type AgentAddress, answerMs, GuestConnection } from './connection.ts'
import { chunkBytes, Fields, type FieldValue, kind } from './frames.ts'
import { GuestWatch } from './watch.ts'

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
  /** Where a link leads in the end. Asked for with `details`; absent when it leads nowhere. */
  resolved?: { path: string; type: FileStat['type']; mode: number }
  /** Extended attributes of namespace `user.`. Asked for with `details`. */
  attributes?: Record<string, string>
}

/** On whose behalf a file is dealt with. */
interface Acting {
  /** Paths start at the home of this user; `user` when left out. */
  user?: string
  /** With the rights of the sandbox's agent instead of the user's; what is made still belongs to the user. */
  asAgent?: boolean
}

export interface WriteOptions extends Acting {
  /** Permission bits of a file this creates; 0o644 when left out. */
  mode?: number
  append?: boolean
  exclusive?: boolean
  parents?: boolean
  /** Written beside and renamed over, so that readers see the old or the new content, never a part. */
  atomic?: boolean
  /** The only extended attributes that the file has afterwards of those whose names begin with `prefix`. */
  attributes?: { prefix: string; values: Record<string, string> }
}

type RequestField = readonly [number, FieldValue]

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
    options: Acting & { offset?: number; length?: number } = {},
    signal?: AbortSignal,
  ): Promise<{ stat: FileStat; stream: Readable }> {
    const connection = await this.#open(
      kind.read,
      path,
      options,
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
      options,
      [[3, (options.mode ?? 0o644).toString(8)], [4, flags], ...attributeFields(options.attributes)],
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

  async stat(path: string, options: Acting & { nofollow?: boolean; details?: boolean } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.stat, path, options, [flag(3, options.nofollow), flag(9, options.details)]))
  }

  /** Entries below a directory. `depth` 1 is the directory itself, 0 everything below it. */
  async *list(
    path: string,
    options: Acting & { depth?: number; details?: boolean } = {},
    signal?: AbortSignal,
  ): AsyncGenerator<FileStat> {
    const connection = await this.#open(
      kind.list,
      path,
      options,
      [[3, options.depth ?? 1], flag(9, options.details)],
      signal,
    )
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
    options: Acting & { mode?: number; parents?: boolean } = {},
  ): Promise<FileStat & { created: boolean }> {
    const fields = await this.#call(kind.mkdir, path, options, [
      [3, (options.mode ?? 0o755).toString(8)],
      flag(4, options.parents),
    ])
    return { ...readStat(fields), created: fields.text(20) === '1' }
  }

  async move(from: string, to: string, options: Acting = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.move, from, options, [[3, to]]))
  }

  async remove(path: string, options: Acting & { recursive?: boolean } = {}): Promise<void> {
    await this.#call(kind.remove, path, options, [flag(3, options.recursive)], treeMs)
  }

  async chmod(path: string, mode: number, options: { user?: string } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.chmod, path, options, [[3, mode.toString(8)]]))
  }

  async chown(
    path: string,
    owner: string,
    group: string | undefined,
    options: { user?: string } = {},
  ): Promise<FileStat> {
    return readStat(
      await this.#call(kind.chown, path, { user: options.user ?? 'root' }, [
        [3, owner],
        [4, group],
      ]),
    )
  }

  async symlink(target: string, path: string, options: { user?: string } = {}): Promise<FileStat> {
    return readStat(await this.#call(kind.symlink, target, options, [[3, path]]))
  }

  async setXattr(path: string, name: string, value: Buffer, options: { user?: string } = {}): Promise<void> {
    await this.#call(kind.xattr, path, options, [
      [3, 'set'],
      [4, name],
      [5, value],
    ])
  }

  async removeXattr(path: string, name: string, options: { user?: string } = {}): Promise<void> {
    await this.#call(kind.xattr, path, options, [
      [3, 'remove'],
      [4, name],
    ])
  }

  async listXattrs(path: string, options: { user?: string } = {}): Promise<Record<string, string>> {
    const fields = await this.#call(kind.xattr, path, options, [[3, 'list']])
    const values = fields.list(5)
    return Object.fromEntries(fields.list(4).map((name, index) => [name, values[index] ?? '']))
  }

  /** Watches a directory from the moment this resolves until `signal` aborts or the events are given up. */
  async watch(
    path: string,
    options: Acting & { recursive?: boolean; refuseNetworkMounts?: boolean } = {},
    signal?: AbortSignal,
  ): Promise<GuestWatch> {
    const connection = await this.#open(
      kind.watch,
      path,
      options,
      [flag(3, options.recursive), flag(4, options.refuseNetworkMounts)],
      signal,
    )
    try {
      await connection.expect(kind.ok, treeMs)
    } catch (error) {
      connection.close()
      throw error
    }
    return new GuestWatch(connection)
  }

  #open(
    request: number,
    path: string,
    acting: Acting,
    rest: readonly RequestField[],
    signal?: AbortSignal,
  ): Promise<GuestConnection> {
    return GuestConnection.open(
      this.#agent,
      request,
      [[1, path], [2, acting.user ?? this.#defaultUser], flag(8, acting.asAgent), ...rest],
      signal,
    )
  }

  async #call(
    request: number,
    path: string,
    acting: Acting,
    rest: readonly RequestField[] = [],
    deadlineMs = answerMs,
  ): Promise<Fields> {
    const connection = await this.#open(request, path, acting, rest)
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

function readStat(fields: Fields): FileStat {
  const target = fields.text(11)
  const resolved = fields.text(15)
  const names = fields.list(18)
  const values = fields.list(19)
  return {
    path: fields.text(1) ?? '',
    name: fields.text(2) ?? '',
    type: (fields.text(3) ?? 'other') as FileStat['type'],
    size: fields.count(4),
    mode: octal(fields.text(5)),
    uid: fields.count(6),
    gid: fields.count(7),
    owner: fields.text(8) ?? '',
    group: fields.text(9) ?? '',
    modifiedAt: fields.time(10),
    ...(target === undefined ? {} : { symlinkTarget: target }),
    ...(resolved === undefined
      ? {}
      : {
          resolved: {
            path: resolved,
            type: (fields.text(16) ?? 'other') as FileStat['type'],
            mode: octal(fields.text(17)),
          },
        }),
    ...(names.length === 0
      ? {}
      : { attributes: Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])) }),
  }
}

function octal(text = '0'): number {
  return Number.parseInt(text, 8) & 0o7777
}

function flag(tag: number, on: boolean | undefined): RequestField {
  return [tag, on ? 1 : undefined]
}

function attributeFields(attributes: WriteOptions['attributes']): RequestField[] {
  if (!attributes) return []
  const pairs = Object.entries(attributes.values).flatMap(([name, value]): RequestField[] => [
    [5, name],
    [6, value],
  ])
  return [...pairs, [7, attributes.prefix]]
}
