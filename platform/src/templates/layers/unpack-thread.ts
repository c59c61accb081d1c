import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { TarReader } from '../archive/tar-reader.ts'
import type { LayerLimits } from './layer-limits.ts'
import { type LayerMarks, LayerWriter } from './layer-writer.ts'

/** What the thread is given. */
export interface UnpackOrder {
  archive: string
  folder: string
  guestBinary: string
  limits: LayerLimits
}

/** What it answers: a sentence's end about the layer where `refused`, and what is nobody's fault otherwise. */
export type UnpackAnswer =
  | { kind: 'progress'; bytes: number }
  | { kind: 'done'; sha256: string; bytes: number }
  | { kind: 'failed'; refused: boolean; message: string }

const port = parentPort!
// A file system that is full, and what only root may, are not the layer's fault.
const hostFailures = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EPERM', 'EACCES', 'EMFILE', 'ENFILE', 'ENOENT'])

try {
  tell(await unpack(workerData as UnpackOrder))
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  tell({
    kind: 'failed',
    refused: !hostFailures.has(code ?? ''),
    message: code?.startsWith('Z_') ? `cannot be decompressed: ${message}` : message,
  })
}

async function unpack({ archive, folder, guestBinary, limits }: UnpackOrder): Promise<UnpackAnswer> {
  const writer = new LayerWriter(folder, limits)
  const reader = new TarReader(writer)
  const hash = createHash('sha256')
  let toldBytes = 0
  let readBytes = 0
  const unpacker = new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        hash.update(chunk)
        reader.push(chunk)
        readBytes += chunk.length
        // Also what is no content of a file is work: names, and zeros behind the end.
        if (readBytes > 2 * limits.bytes) throw new Error(`is larger than ${2 * limits.bytes} bytes when decompressed`)
        if (readBytes - toldBytes > 4 * 1024 ** 2) {
          toldBytes = readBytes
          tell({ kind: 'progress', bytes: readBytes })
        }
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
  try {
    const source = createReadStream(archive, { highWaterMark: 256 * 1024 })
    const decompressor = decompressorOf(archive)
    if (decompressor) await pipeline(source, decompressor, unpacker)
    else await pipeline(source, unpacker)
    reader.finish()
    mark(guestBinary, folder, writer.marks())
    writer.settle()
  } finally {
    writer.close()
  }
  return { kind: 'done', sha256: hash.digest('hex'), bytes: writer.bytes }
}

/** By its first bytes: media types of layers are not always right. */
function decompressorOf(archive: string) {
  const first = Buffer.alloc(4)
  const fd = openSync(archive, 'r')
  try {
    readSync(fd, first, 0, 4, 0)
  } finally {
    closeSync(fd)
  }
  const options = { chunkSize: 256 * 1024 }
  if (first.readUInt16BE() === 0x1f8b) return createGunzip(options)
  const magic = first.readUInt32LE()
  const isZstd = magic === 0xfd2fb528 || (magic >= 0x184d2a50 && magic <= 0x184d2a5f)
  return isZstd ? createZstdDecompress(options) : undefined
}

/** Also brings everything to the disk, so that a layer that has its name has its content. */
function mark(guestBinary: string, folder: string, { hidden, opaque, pipes }: LayerMarks): void {
  const order = (kind: string, paths: string[]) => paths.map((path) => Buffer.from(`${kind} ${path}\0`, 'latin1'))
  const input = Buffer.concat([...order('h', hidden), ...order('o', opaque), ...order('p', pipes)])
  const { status, stderr, error } = spawnSync(guestBinary, ['layer-marks', folder], { input, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw Object.assign(new Error(`cannot be marked: ${stderr.trim().slice(0, 500)}`), { code: 'EIO' })
}

function tell(answer: UnpackAnswer): void {
  port.postMessage(answer)
}
