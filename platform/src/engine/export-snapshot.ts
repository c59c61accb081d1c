import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { createZstdCompress } from 'node:zlib'
import { snapshotMagic } from './snapshot-file.ts'
import type { SnapshotManifest } from './snapshot-manifest.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** Reads a snapshot as one file. Throws as `SnapshotStore.read`. A failure while reading breaks the stream off. */
export async function exportSnapshotFiles(snapshots: SnapshotStore, id: string): Promise<Readable> {
  const manifest = await snapshots.read(id)
  const compressed = createZstdCompress()
  // The reader of `compressed` is told what fails.
  pipeline(Readable.from(content(manifest, snapshots.path(id))), compressed, () => {})
  return compressed
}

async function* content(manifest: SnapshotManifest, folder: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  const text = Buffer.from(JSON.stringify(manifest))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  const head = Buffer.concat([snapshotMagic, length, text])
  hash.update(head)
  yield head
  for (const { name } of manifest.parts) {
    for await (const chunk of createReadStream(join(folder, name), { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk)
      yield chunk
    }
  }
  yield hash.digest()
}
