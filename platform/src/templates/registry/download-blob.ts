import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { WarrenError } from '../../errors.ts'
import type { Descriptor } from './manifest.ts'
import type { RegistryClient } from './registry-client.ts'
import { brokenConnection } from './request.ts'

/**
 * Downloads a blob into a new file. A connection that breaks is taken up where it broke. Afterwards the file has the size and
 * the digest that the manifest says; otherwise it rejects with `invalid_request`.
 */
export async function downloadBlob(
  client: RegistryClient,
  { digest, size }: Descriptor,
  { file: path, onProgress }: { file: string; onProgress?: (bytes: number) => void },
): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    let hash = createHash('sha256')
    let bytes = 0
    // While it gets on, it is not given up.
    for (let before = -1; bytes < size || before < 0; ) {
      before = bytes
      await client
        .again(async () => {
          if (bytes >= size && size > 0) return
          const answer = await client.get(`blobs/${digest}`, { from: bytes })
          if (!goesOnAt(answer, bytes)) {
            hash = createHash('sha256')
            bytes = 0
          }
          await receive(answer, file, (chunk) => {
            hash.update(chunk)
            bytes += chunk.length
            if (bytes > size) throw wrong(digest, `it is larger than the ${size} bytes that were said`)
            onProgress?.(bytes)
            return bytes - chunk.length
          })
          if (bytes < size) throw new WarrenError('unavailable', `blob ${digest} ended after ${bytes} of ${size} bytes`)
        })
        .catch((error) => {
          const gotOn = bytes > before && error instanceof WarrenError && error.code === 'unavailable'
          if (!gotOn) throw error
        })
    }
    await file.truncate(size)
    const found = `sha256:${hash.digest('hex')}`
    if (found !== digest) throw wrong(digest, `it is ${found}`)
  } finally {
    await file.close()
  }
}

/** A registry that does not know ranges sends everything again. */
function goesOnAt(answer: IncomingMessage, bytes: number): boolean {
  if (bytes === 0) return true
  const first = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1]
  return answer.statusCode === 206 && Number(first) === bytes
}

/** `place` counts a chunk and answers where in the file it belongs. */
async function receive(answer: IncomingMessage, file: FileHandle, place: (chunk: Buffer) => number): Promise<void> {
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const at = place(chunk)
      for (let written = 0; written < chunk.length; ) {
        const { bytesWritten } = await file.write(chunk, written, chunk.length - written, at + written)
        written += bytesWritten
      }
    }
  } catch (error) {
    answer.destroy()
    const code = (error as NodeJS.ErrnoException).code
    if (error instanceof WarrenError || code === 'ABORT_ERR') throw error
    if (code === 'ENOSPC') throw new WarrenError('too_large', 'the image does not fit on the disk of this host')
    throw brokenConnection(error)
  }
}

function wrong(digest: string, why: string): WarrenError {
  return new WarrenError('invalid_request', `blob ${digest} of the registry is not what it says: ${why}`)
}
