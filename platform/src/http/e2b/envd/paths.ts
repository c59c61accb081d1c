import { posix } from 'node:path'

/**
 * A path as the guest takes it: `~` and relative ones start at the home of the user, `.` and `..` are taken away as
 * text. Throws RangeError with the reason for what cannot be one.
 */
export function cleanPath(path: string): string {
  if (path.includes('\0')) throw new RangeError('a path must not contain NUL')
  if (Buffer.byteLength(path) > 4096) throw new RangeError('a path has 4096 bytes at most')
  if (path === '' || path === '~') return '~'
  if (path.startsWith('~') && !path.startsWith('~/'))
    throw new RangeError(`the home of another user cannot be named: '${path.slice(0, 200)}'`)
  const clean = posix.normalize(path)
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}
