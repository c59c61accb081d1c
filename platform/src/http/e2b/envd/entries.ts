import { posix } from 'node:path'
import type { FileStat } from '../../../engine/guest/files.ts'
import { WarrenError } from '../../../errors.ts'
import type { Written } from '../../rpc/message.ts'
import type { Call } from './call.ts'
import type { EntryInfo } from './filesystem-messages.ts'

/** Extended attributes of this name are the metadata of a file. */
export const metadataPrefix = 'user.e2b.'

/** Files are dealt with as the sandbox's agent, what is made belongs to the user: as the contract has it. */
export function acting({ user }: Pick<Call, 'user'>): { user?: string; asAgent: true } {
  return { ...(user === undefined ? {} : { user }), asAgent: true }
}

/** What a file is, links not followed. Throws `not_found`. */
export function statOf(call: Pick<Call, 'guest' | 'user'>, path: string): Promise<FileStat> {
  return call.guest.files.stat(path, { ...acting(call), nofollow: true, details: true })
}

export async function exists(call: Pick<Call, 'guest' | 'user'>, path: string): Promise<boolean> {
  try {
    await statOf(call, path)
    return true
  } catch (error) {
    if (error instanceof WarrenError && (error.code === 'not_found' || error.code === 'invalid_request')) return false
    throw error
  }
}

/** A stat in the words of the contract: of a link the type and mode of what it leads to, the rest its own. */
export function entryOf(stat: FileStat): Written<typeof EntryInfo> {
  const { type, mode, resolved } = stat
  const path = posix.normalize(stat.path)
  const shown = type === 'symlink' ? resolved : { type, mode }
  const metadata = metadataOf(stat)
  return {
    name: posix.basename(path) || '/',
    path,
    type: shown ? fileTypes[shown.type] : 'FILE_TYPE_UNSPECIFIED',
    size: stat.size,
    mode: (shown?.mode ?? mode) & 0o777,
    permissions: permissionsOf(stat),
    owner: stat.owner,
    group: stat.group,
    modifiedTime: new Date(stat.modifiedAt),
    ...(resolved ? { symlinkTarget: resolved.path } : stat.symlinkTarget ? { symlinkTarget: stat.symlinkTarget } : {}),
    ...(metadata ? { metadata } : {}),
  }
}

export function metadataOf({ attributes }: Pick<FileStat, 'attributes'>): Record<string, string> | undefined {
  const ours = Object.entries(attributes ?? {}).filter(([name]) => name.startsWith(metadataPrefix))
  if (ours.length === 0) return undefined
  return Object.fromEntries(ours.map(([name, value]) => [name.slice(metadataPrefix.length), value]))
}

const fileTypes = {
  file: 'FILE_TYPE_FILE',
  directory: 'FILE_TYPE_DIRECTORY',
  symlink: 'FILE_TYPE_SYMLINK',
  other: 'FILE_TYPE_UNSPECIFIED',
} as const

/** As Go writes a mode: letters for what it is, then `rwx` three times. */
function permissionsOf({ type, mode }: FileStat): string {
  const bits = [mode >> 6, mode >> 3, mode].map((three) =>
    [...'rwx'].map((letter, at) => ((three & (4 >> at)) === 0 ? '-' : letter)).join(''),
  )
  const marks = [
    type === 'directory' ? 'd' : type === 'symlink' ? 'L' : '',
    mode & 0o4000 ? 'u' : '',
    mode & 0o2000 ? 'g' : '',
    mode & 0o1000 ? 't' : '',
  ].join('')
  return (marks || '-') + bits.join('')
}
