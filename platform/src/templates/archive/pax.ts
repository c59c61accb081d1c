/** What a pax record may change in the entry behind it. */
export interface PaxChanges {
  path?: string
  linkPath?: string
  size?: number
  uid?: number
  gid?: number
  mtime?: number
}

/**
 * Reads the records of a pax header, each `LENGTH KEY=VALUE\n`. Extended attributes, access times and comments are
 * passed over. Throws, as the end of a sentence, for what is malformed and for sparse files.
 */
export function decodePax(data: Buffer): PaxChanges {
  const changes: PaxChanges = {}
  let at = 0
  while (at < data.length) {
    const space = data.indexOf(0x20, at)
    const digits = space < 0 ? '' : data.toString('latin1', at, space)
    const end = at + Number(digits)
    if (!/^[1-9]\d{0,7}$/.test(digits) || end > data.length || end <= space || data[end - 1] !== 0x0a)
      throw new Error('has a pax header that is malformed')
    const record = data.toString('latin1', space + 1, end - 1)
    const equals = record.indexOf('=')
    if (equals < 1) throw new Error('has a pax header that is malformed')
    apply(changes, record.slice(0, equals), record.slice(equals + 1))
    at = end
  }
  return changes
}

function apply(changes: PaxChanges, key: string, value: string): void {
  if (key.startsWith('GNU.sparse.')) throw new Error('has a sparse file in it, which is not supported')
  if (key === 'path') changes.path = name(key, value)
  else if (key === 'linkpath') changes.linkPath = name(key, value)
  else if (key === 'size' || key === 'uid' || key === 'gid') changes[key] = whole(key, value)
  else if (key === 'mtime') changes.mtime = time(value)
}

function name(key: string, value: string): string {
  if (value.includes('\0')) throw new Error(`has a pax header with a zero byte in "${key}"`)
  return value
}

function whole(key: string, value: string): number {
  const number = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number))
    throw new Error(`has a pax header whose "${key}" is no number`)
  return number
}

/** Those before 1970 are told as 1970. */
function time(value: string): number {
  if (!/^-?\d{1,15}(\.\d*)?$/.test(value)) throw new Error('has a pax header whose "mtime" is no time')
  return Math.max(0, Math.floor(Number(value)))
}
