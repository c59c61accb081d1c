import { inflateRawSync } from 'node:zlib'
import { WarrenError } from '@warren/sdk'
import { text } from '../messages.ts'

const mostBytes = 256 * 1024 * 1024

/** The files of a zip by their paths. */
export function readZip(zip: Buffer): Record<string, Uint8Array> {
  // Its list is at the end, before a comment of at most 64 KiB.
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0 || end + 22 > zip.length) throw broken()
  const files: Record<string, Uint8Array> = {}
  let at = zip.readUInt32LE(end + 16)
  let bytes = 0
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (at + 46 > zip.length || zip.readUInt32LE(at) !== 0x02014b50) throw broken()
    const method = zip.readUInt16LE(at + 10)
    const packed = zip.readUInt32LE(at + 20)
    const size = zip.readUInt32LE(at + 24)
    const nameBytes = zip.readUInt16LE(at + 28)
    const local = zip.readUInt32LE(at + 42)
    const name = zip.toString('utf8', at + 46, at + 46 + nameBytes)
    at += 46 + nameBytes + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
    if (name.endsWith('/')) continue
    bytes += size
    if (bytes > mostBytes || local + 30 > zip.length) throw broken()
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const content = zip.subarray(start, start + packed)
    if (method !== 0 && method !== 8) throw broken()
    files[name] = method === 0 ? content : inflateRawSync(content, { maxOutputLength: mostBytes })
  }
  return files
}

function broken(): WarrenError {
  return new WarrenError('invalid_request', text.badZip)
}
