/**
 * Unpacks what the kernel's build packs by `lz4 -l`: after four bytes that name the format, blocks of up to 8 MiB, each behind
 * its length. Throws where it is damaged.
 */
export function decompressLz4(packed: Buffer): Buffer {
  const blocks: Buffer[] = []
  const scratch = Buffer.alloc(largestBlock)
  for (let at = 4; at < packed.length; ) {
    const length = packed.readUInt32LE(at)
    at += 4
    const size = unpackBlock(packed.subarray(at, at + length), scratch)
    blocks.push(Buffer.from(scratch.subarray(0, size)))
    at += length
  }
  return Buffer.concat(blocks)
}

const largestBlock = 8 << 20
const shortestMatch = 4

/** Sequences of literal bytes and of copies of what came before (lz4_Block_format.md). Answers how much came out. */
function unpackBlock(block: Buffer, out: Buffer): number {
  let read = 0
  let written = 0
  const lengthOf = (nibble: number): number => {
    let length = nibble
    for (let more = nibble === 15 ? 255 : 0; more === 255; length += more) more = block.readUInt8(read++)
    return length
  }
  while (read < block.length) {
    const token = block.readUInt8(read++)
    const literals = lengthOf(token >> 4)
    if (read + literals > block.length || written + literals > out.length) throw new RangeError('a block is damaged')
    block.copy(out, written, read, read + literals)
    read += literals
    written += literals
    if (read === block.length) break
    const from = written - block.readUInt16LE(read)
    read += 2
    const end = written + shortestMatch + lengthOf(token & 15)
    if (from < 0 || from === written || end > out.length) throw new RangeError('a block is damaged')
    // Byte after byte: it may copy what it has just written.
    for (let at = from; written < end; at++) out[written++] = out[at] as number
  }
  return written
}
