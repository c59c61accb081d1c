import { posix } from 'node:path'
import type { FileStat } from '../../../engine/guest/files.ts'
import type { WatchEvent } from '../../../engine/guest/watch.ts'
import { WarrenError } from '../../../errors.ts'
import type { Read, Written } from '../../rpc/message.ts'
import { type Procedure, serverStream, unary } from '../../rpc/procedure.ts'
import { RpcError } from '../../rpc/rpc-error.ts'
import type { Call } from './call.ts'
import { acting, entryOf, statOf } from './entries.ts'
import {
  EntryResponse,
  type FilesystemEvent,
  ListDirRequest,
  ListDirResponse,
  MoveRequest,
  PathRequest,
  WatchDirResponse,
  WatcherEvents,
  WatcherRequest,
  WatchRequest,
} from './filesystem-messages.ts'
import { withKeepalive } from './keepalive.ts'
import { cleanPath } from './paths.ts'
import { Nothing } from './process-messages.ts'
import type { Watchers } from './watchers.ts'

/** More entries than this are not listed in one answer. */
const maxEntries = 100_000

/** Service `filesystem.Filesystem`. */
export function filesystemService(watchers: Watchers): Record<string, Procedure<Call>> {
  return {
    Stat: unary(PathRequest, EntryResponse, async (call, { path }) => ({
      entry: entryOf(await found(path, statOf(call, pathOf(path)))),
    })),

    MakeDir: unary(PathRequest, EntryResponse, async (call, { path }) => {
      const made = await call.guest.files
        .mkdir(pathOf(path), { ...acting(call), parents: true })
        .catch((error) => refuse(error, `path '${path}' cannot be made a directory`, ['conflict', 'invalid_request']))
      if (!made.created) throw new RpcError('already_exists', `directory already exists: ${posix.normalize(made.path)}`)
      return { entry: entryOf(made) }
    }),

    Move: unary(MoveRequest, EntryResponse, async (call, { source, destination }) => {
      const from = pathOf(source)
      const to = pathOf(destination)
      await found(source, statOf(call, from))
      await call.guest.files.mkdir(posix.dirname(to), { ...acting(call), parents: true })
      await found(source, call.guest.files.move(from, to, acting(call)))
      return { entry: entryOf(await statOf(call, to)) }
    }),

    ListDir: unary(ListDirRequest, ListDirResponse, async (call, { path, depth }) => ({
      entries: (await list(call, path, depth || 1)).map(entryOf),
    })),

    Remove: unary(PathRequest, Nothing, async (call, { path }) => {
      await call.guest.files
        .remove(pathOf(path), { ...acting(call), recursive: true })
        .catch((error) => (isMissing(error) ? undefined : Promise.reject(error)))
      return {}
    }),

    WatchDir: serverStream(WatchRequest, WatchDirResponse, async function* (call, request) {
      const watch = await openWatch(call, request)
      yield { start: {} }
      const events = withKeepalive(eventsOf(call, request, watch), call.keepaliveMs, 'keepalive' as const)
      for await (const event of events) yield event === 'keepalive' ? { keepalive: {} } : { filesystem: event }
    }),

    CreateWatcher: unary(WatchRequest, WatcherRequest, async (call, request) => {
      // Of the watcher, not of this call, is how long it lives.
      const lasting: Call = { ...call, signal: watchers.signalOf(call.live) }
      const watch = await openWatch(lasting, request)
      return { watcherId: watchers.add(call.live, watch, eventsOf(lasting, request, watch)) }
    }),

    GetWatcherEvents: unary(WatcherRequest, WatcherEvents, async ({ live }, { watcherId }) => ({
      events: await watchers.take(live, watcherId),
    })),

    RemoveWatcher: unary(WatcherRequest, Nothing, async ({ live }, { watcherId }) => {
      watchers.remove(live, watcherId)
      return {}
    }),
  }
}

type WatchOf = Awaited<ReturnType<Call['guest']['files']['watch']>>

async function openWatch(call: Call, request: Read<typeof WatchRequest>): Promise<WatchOf> {
  const path = pathOf(request.path)
  const options = { ...acting(call), recursive: request.recursive, refuseNetworkMounts: !request.allowNetworkMounts }
  return found(request.path, call.guest.files.watch(path, options, call.signal))
}

async function* eventsOf(
  call: Call,
  { path, includeEntry }: Read<typeof WatchRequest>,
  watch: AsyncIterable<WatchEvent>,
): AsyncGenerator<Written<typeof FilesystemEvent>> {
  for await (const event of watch) {
    if (event.type === 'overflow')
      throw new RpcError(
        'data_loss',
        'changes were lost: there were more than the sandbox could tell. Watch again and look for yourself',
      )
    if (event.path === '') continue // the watched directory itself
    const type = eventTypes[event.type]
    const shown = includeEntry && (event.type === 'create' || event.type === 'write' || event.type === 'chmod')
    const below = posix.join(pathOf(path), event.path)
    const stat = shown ? await statOf(call, below).catch(() => undefined) : undefined
    yield { name: event.path, type, ...(stat ? { entry: entryOf(stat) } : {}) }
  }
}

const eventTypes = {
  create: 'EVENT_TYPE_CREATE',
  write: 'EVENT_TYPE_WRITE',
  remove: 'EVENT_TYPE_REMOVE',
  rename: 'EVENT_TYPE_RENAME',
  chmod: 'EVENT_TYPE_CHMOD',
} as const

/** Depth first, in the order of names, every directory before what is in it. */
async function list(call: Call, path: string, depth: number): Promise<FileStat[]> {
  const entries: { key: string; stat: FileStat }[] = []
  const listing = call.guest.files.list(pathOf(path), { ...acting(call), depth, details: true }, call.signal)
  try {
    for await (const stat of listing) {
      // NUL is in no name, so that it sorts before all that may follow a shorter name.
      entries.push({ key: stat.path.replaceAll('/', '\0'), stat })
      if (entries.length > maxEntries)
        throw new RpcError('resource_exhausted', `there are more than ${maxEntries} entries below '${path}'`)
    }
  } catch (error) {
    refuse(error, `path '${path}' is not a directory`, ['invalid_request'])
  }
  return entries.sort((one, other) => (one.key < other.key ? -1 : 1)).map(({ stat }) => stat)
}

/** As a path of the guest; `invalid_argument` for what cannot be one. */
function pathOf(path: string): string {
  try {
    return cleanPath(path)
  } catch (error) {
    throw new RpcError('invalid_argument', (error as Error).message)
  }
}

async function found<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (isMissing(error)) throw new RpcError('not_found', `path '${path}' does not exist`)
    throw error
  }
}

/** Throws `invalid_argument` with `message` for these codes, else the error as it is. */
function refuse(error: unknown, message: string, codes: string[]): never {
  if (error instanceof WarrenError && error.code === 'not_found') throw new RpcError('not_found', error.message)
  if (error instanceof WarrenError && codes.includes(error.code))
    throw new RpcError('invalid_argument', `${message}: ${error.message}`)
  throw error
}

function isMissing(error: unknown): boolean {
  return error instanceof WarrenError && error.code === 'not_found'
}
