import { posix } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { most } from '../function.ts'

/** What was uploaded, by path. */
export type SourceFiles = ReadonlyMap<string, Buffer>

/** Throws `too_large` or `invalid_request` naming the file, the rule and the value. */
export function readSourceFiles(files: Record<string, string>): SourceFiles {
  const entries = Object.entries(files)
  if (entries.length === 0) throw new WarrenError('invalid_request', 'a function has at least one file')
  if (entries.length > most.files)
    throw new WarrenError('too_large', `a function has at most ${most.files} files, this one ${entries.length}`, {
      hint: 'Deploy with warren fn deploy, which makes one file of the code and its packages.',
      details: { limit: most.files, value: entries.length },
    })
  const read = new Map<string, Buffer>()
  let bytes = 0
  for (const [path, base64] of entries) {
    const normal = posix.normalize(path)
    if (
      path === '' ||
      normal !== path ||
      posix.isAbsolute(path) ||
      path.split('/').includes('..') ||
      /[\0\\]/.test(path)
    )
      throw new WarrenError(
        'invalid_request',
        `"${path.slice(0, 200)}" is no path of a file below the function's folder`,
      )
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
      throw new WarrenError('invalid_request', `the content of "${path}" is not base64`)
    const content = Buffer.from(base64, 'base64')
    bytes += content.length
    read.set(path, content)
  }
  if (bytes > most.codeBytes)
    throw new WarrenError('too_large', `the files have ${bytes} bytes, over ${most.codeBytes}`, {
      details: { limit: most.codeBytes, value: bytes },
    })
  return read
}
