import { blockSize, encodeHeader, type TarHeader } from '../../lib/tar-header.ts'

/** The header of an entry, with a pax header before it where its names are too long for one. */
export function headerBlocks(header: TarHeader): Buffer {
  const records: string[] = []
  const short = { ...header }
  if (header.path.length > 100) {
    records.push(paxRecord('path', header.path))
    short.path = header.path.slice(0, 100)
  }
  if (header.linkPath.length > 100) {
    records.push(paxRecord('linkpath', header.linkPath))
    short.linkPath = header.linkPath.slice(0, 100)
  }
  if (records.length === 0) return encodeHeader(header)
  const data = Buffer.from(records.join(''), 'latin1')
  const before = encodeHeader({ ...header, path: 'pax', mode: 0o644, size: data.length, type: 'x', linkPath: '' })
  return Buffer.concat([before, data, padding(data.length), encodeHeader(short)])
}

/** Zeros that follow a content of `size` bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize)
}

/** What ends an archive. */
export const endOfArchive = Buffer.alloc(2 * blockSize)

/** The length at the front counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}
