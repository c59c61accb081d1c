import { enumeration, map, message, optional, plain, repeated } from '../../rpc/message.ts'

/** The messages of package `filesystem`. */

const FileType = enumeration({
  FILE_TYPE_UNSPECIFIED: 0,
  FILE_TYPE_FILE: 1,
  FILE_TYPE_DIRECTORY: 2,
  FILE_TYPE_SYMLINK: 3,
})

export const EntryInfo = message({
  name: plain(1, 'string'),
  type: plain(2, FileType),
  path: plain(3, 'string'),
  size: plain(4, 'int64'),
  mode: plain(5, 'uint32'),
  permissions: plain(6, 'string'),
  owner: plain(7, 'string'),
  group: plain(8, 'string'),
  modifiedTime: optional(9, 'timestamp'),
  symlinkTarget: optional(10, 'string'),
  metadata: map(11),
})

const EventType = enumeration({
  EVENT_TYPE_UNSPECIFIED: 0,
  EVENT_TYPE_CREATE: 1,
  EVENT_TYPE_WRITE: 2,
  EVENT_TYPE_REMOVE: 3,
  EVENT_TYPE_RENAME: 4,
  EVENT_TYPE_CHMOD: 5,
})

export const FilesystemEvent = message({
  name: plain(1, 'string'),
  type: plain(2, EventType),
  entry: optional(3, EntryInfo),
})

const Empty = message({})

export const MoveRequest = message({ source: plain(1, 'string'), destination: plain(2, 'string') })
export const PathRequest = message({ path: plain(1, 'string') })
export const EntryResponse = message({ entry: optional(1, EntryInfo) })
export const ListDirRequest = message({ path: plain(1, 'string'), depth: plain(2, 'uint32') })
export const ListDirResponse = message({ entries: repeated(1, EntryInfo) })
export const WatchRequest = message({
  path: plain(1, 'string'),
  recursive: plain(2, 'bool'),
  includeEntry: plain(3, 'bool'),
  allowNetworkMounts: plain(4, 'bool'),
})
export const WatchDirResponse = message({
  start: optional(1, Empty),
  filesystem: optional(2, FilesystemEvent),
  keepalive: optional(3, Empty),
})
export const WatcherRequest = message({ watcherId: plain(1, 'string') })
export const WatcherEvents = message({ events: repeated(1, FilesystemEvent) })
