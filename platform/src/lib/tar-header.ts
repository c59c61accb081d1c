/**
 * The 512 bytes before each entry of a tar archive, as POSIX ustar, GNU and the old Unix wrote them. Names are kept byte by
 * byte, as strings with one character for each byte (latin1): a name in a file system need not be text.
 */
export const blockSize = 512

export interface TarHeader {
  path: string
  mode: number
  uid: number
  gid: number
  size: number
  /** Seconds since 1970. */
  mtime: number
  /** One character; '0' for a regular file, also where the old form has none. */
  type: string
  linkPath: string
}

/** Throws, as the end of a sentence, for what is no header. */
export function decodeHeader(block: Buffer): TarHeader {
  const expected = octal(block, 148, 8)
  const { unsigned, signed } = checksums(block)
  if (expected !== unsigned && expected !== signed) throw new Error('has an entry whose checksum is wrong')
  const isUstar = block.toString('latin1', 257, 262) === 'ustar'
  const isGnu = block.toString('latin1', 257, 265) === 'ustar  \0'
  const prefix = isUstar && !isGnu ? text(block, 345, 155) : ''
  const name = text(block, 0, 100)
  return {
    path: prefix ? `${prefix}/${name}` : name,
    mode: octal(block, 100, 8) & 0o7777,
    uid: octal(block, 108, 8),
    gid: octal(block, 116, 8),
    size: octal(block, 124, 12),
    mtime: octal(block, 136, 12),
    type: block[156] === 0 ? '0' : String.fromCharCode(block[156]!),
    linkPath: text(block, 157, 100),
  }
}

/** Throws a RangeError for what has no place in a ustar header; `longNames` in tar-writer.ts makes place for it. */
export function encodeHeader({ path, mode, uid, gid, size, mtime, type, linkPath }: TarHeader): Buffer {
  const block = Buffer.alloc(blockSize)
  const put = (value: string, offset: number, length: number) => {
    if (value.length > length) throw new RangeError(`"${value}" is longer than ${length} bytes`)
    block.write(value, offset, length, 'latin1')
  }
  const number = (value: number, offset: number, length: number) => {
    const digits = value.toString(8).padStart(length - 1, '0')
    if (digits.length < length) return put(digits, offset, length - 1)
    // GNU: the first bit says that the rest is a number of 8-bit digits.
    block.writeBigUInt64BE(BigInt(value), offset + length - 8)
    block[offset] = 0x80
  }
  put(path, 0, 100)
  number(mode, 100, 8)
  number(uid, 108, 8)
  number(gid, 116, 8)
  number(size, 124, 12)
  number(mtime, 136, 12)
  block.fill(' ', 148, 156)
  put(type, 156, 1)
  put(linkPath, 157, 100)
  put('ustar\u000000', 257, 8)
  put(`${checksums(block).unsigned.toString(8).padStart(6, '0')}\0 `, 148, 8)
  return block
}

/** Old programs summed the bytes as signed ones. */
function checksums(block: Buffer): { unsigned: number; signed: number } {
  let unsigned = 0
  let signed = 0
  for (let i = 0; i < blockSize; i++) {
    const byte = i >= 148 && i < 156 ? 32 : block[i]!
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  return { unsigned, signed }
}

function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset)
  return block.toString('latin1', offset, end < 0 || end > offset + length ? offset + length : end)
}

function octal(block: Buffer, offset: number, length: number): number {
  if (block[offset]! & 0x80) return base256(block, offset, length)
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(block.toString('latin1', offset, offset + length))?.[1]
  if (digits === undefined) throw new Error('has an entry with a number that is none')
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function base256(block: Buffer, offset: number, length: number): number {
  if (block[offset] !== 0x80) throw new Error('has an entry with a number below zero or beyond all bounds')
  let value = 0
  for (let i = offset + 1; i < offset + length; i++) value = value * 256 + block[i]!
  if (!Number.isSafeInteger(value)) throw new Error('has an entry with a number beyond all bounds')
  return value
}
