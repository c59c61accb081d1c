import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import { runCommand } from '../lib/run-command.ts'
import { step } from '../lib/step.ts'
import { snapshotParts } from './driver.ts'
import { checkRoom } from './host/room.ts'
import { checksumBytes, longestManifest, snapshotMagic } from './snapshot-file.ts'
import { readManifest, refused, type SnapshotManifest } from './snapshot-manifest.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** The disk is looked at this often while it fills, bytes. */
const lookEveryBytes = 64 * 1024 * 1024
const blockBytes = 4096

/**
 * Takes in an exported snapshot as `id`. All of it may be forged: lengths, names and checksums are held against each other,
 * the disk's file system is checked before the host's kernel sees it; one that only its own kernel will see (`staysInside`) is
 * left as that kernel remembers it. On rejection nothing is left.
 */
export async function importSnapshotFiles(
  snapshots: SnapshotStore,
  id: string,
  { content, staysInside }: { content: Readable; staysInside: (driver: string) => boolean },
  signal: AbortSignal,
): Promise<SnapshotManifest> {
  const path = await snapshots.draft(id)
  try {
    const manifest = { ...(await step('snapshot.receive', id, () => receive(content, path, signal))), id }
    await snapshots.check(path, manifest)
    if (!staysInside(manifest.driver))
      await step('snapshot.check_disk', id, () => checkFileSystem(join(path, snapshotParts.disk)))
    // Checking may have put the disk right.
    const whole = { ...manifest, parts: await snapshots.measure(path) }
    await snapshots.commit(whole)
    return whole
  } catch (error) {
    await snapshots.discard(id)
    throw error
  }
}

async function receive(content: Readable, path: string, signal: AbortSignal): Promise<SnapshotManifest> {
  const plain = createZstdDecompress()
  // Not a pipeline, which would break off a request that is still to be answered.
  content.once('error', (error) => plain.destroy(error))
  content.once('close', () => content.readableEnded || plain.destroy(new Error('the sender went away')))
  content.pipe(plain)
  const input = new Input(plain, signal)
  try {
    if (!(await input.take(snapshotMagic.length)).equals(snapshotMagic)) throw refused('the file is not a snapshot')
    const length = (await input.take(4)).readUInt32BE()
    if (length > longestManifest) throw refused(`its manifest of ${length} bytes is too long`)
    const manifest = readManifest((await input.take(length)).toString())
    await checkRoom(path, { ...manifest.limits, maxOpenFiles: 0 })
    for (const { name, size } of manifest.parts) await receivePart(input, join(path, name), size, manifest)
    const expected = input.digest()
    if (!(await input.take(checksumBytes)).equals(expected)) throw refused('its checksum is wrong')
    if (!(await input.isAtEnd())) throw refused('something follows its end')
    return manifest
  } finally {
    content.unpipe(plain)
    plain.destroy()
  }
}

async function receivePart(input: Input, path: string, size: number, { limits }: SnapshotManifest): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'wx', 0o600)
  try {
    await file.truncate(size)
    let looked = 0
    for (let at = 0; at < size; ) {
      if (at >= looked) {
        await checkRoom(dirname(path), { ...limits, diskMb: 0, maxOpenFiles: 0 })
        looked = at + lookEveryBytes
      }
      const chunk = await input.some(size - at)
      await writeSparse(file, chunk, at)
      at += chunk.length
    }
  } finally {
    await file.close()
  }
}

/** Leaves out what is empty: the file has holes there. */
async function writeSparse(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  let from: number | undefined
  const flush = async (to: number) => {
    if (from !== undefined) await file.write(chunk, from, to - from, position + from)
    from = undefined
  }
  for (let at = 0; at < chunk.length; at += blockBytes) {
    const block = chunk.subarray(at, at + blockBytes)
    if (block.equals(emptyBlock.subarray(0, block.length))) await flush(at)
    else from ??= at
  }
  await flush(chunk.length)
}

const emptyBlock = Buffer.alloc(blockBytes)

/** A file system made to hurt must not reach the kernel of the host. */
async function checkFileSystem(disk: string): Promise<void> {
  const checked = await runCommand(['e2fsck', '-f', '-p', disk], { timeoutMs: 120_000 })
  const [sound, putRight] = [0, 1]
  if (checked.exitCode !== sound && checked.exitCode !== putRight)
    throw refused(`its disk is damaged: e2fsck ${checked.failure}`)
}

/** Reads a stream in pieces of known length. Throws `invalid_request` where it ends too soon or cannot be unpacked. */
class Input {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #signal: AbortSignal
  readonly #hash = createHash('sha256')
  #held: Buffer = Buffer.alloc(0)

  constructor(stream: Readable, signal: AbortSignal) {
    this.#chunks = stream[Symbol.asyncIterator]()
    this.#signal = signal
  }

  async take(length: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing)
      pieces.push(piece)
      missing -= piece.length
    }
    return Buffer.concat(pieces)
  }

  /** The next bytes, at most `most`. */
  async some(most: number): Promise<Buffer> {
    if (this.#held.length === 0 && !(await this.#fill())) throw refused('it was cut off')
    const piece = this.#held.subarray(0, most)
    this.#held = this.#held.subarray(piece.length)
    this.#hash.update(piece)
    return piece
  }

  /** The checksum of all that was taken. */
  digest(): Buffer {
    return this.#hash.copy().digest()
  }

  async isAtEnd(): Promise<boolean> {
    return this.#held.length === 0 && !(await this.#fill())
  }

  async #fill(): Promise<boolean> {
    this.#signal.throwIfAborted()
    const { value, done } = await this.#chunks.next().catch((cause: Error) => {
      this.#signal.throwIfAborted()
      throw refused(`it cannot be unpacked: ${cause.message}`)
    })
    if (done) return false
    this.#held = value
    return value.length > 0 || this.#fill()
  }
}
