import { createHash } from 'node:crypto'
import { WarrenError } from '../../errors.ts'
import { ArchiveReader } from './archive-reader.ts'
import { type BackupManifest, manifestName, manifestSumName, readManifest, sumOf } from './manifest.ts'

export interface VerifiedBackup {
  manifest: BackupManifest
  /** A sentence for each part that is not what it was when it was written; empty when all is well. */
  problems: string[]
}

/** Reads the whole archive and compares each part with its sum. Throws `invalid_request` where it cannot even be read. */
export async function verifyBackup(path: string): Promise<VerifiedBackup> {
  const archive = await ArchiveReader.open(path)
  try {
    return await verifyArchive(archive)
  } finally {
    await archive.close()
  }
}

export async function verifyArchive(archive: ArchiveReader): Promise<VerifiedBackup> {
  const text = await archive.read(manifestName)
  if ((await archive.read(manifestSumName)).toString().trim() !== sumOf(text))
    throw new WarrenError('invalid_request', 'the manifest of the backup was changed after it had been written')
  const manifest = readManifest(text.toString())
  const present = new Set(archive.names)
  const problems: string[] = []
  for (const { name, bytes, sha256 } of manifest.parts) {
    if (!present.delete(name)) {
      problems.push(`${name} is missing`)
      continue
    }
    const found = await measured(archive, name)
    if (found.bytes !== bytes) problems.push(`${name} has ${found.bytes} bytes, not ${bytes}`)
    else if (found.sha256 !== sha256) problems.push(`${name} was changed after it had been written`)
  }
  for (const name of present)
    if (name !== manifestName && name !== manifestSumName) problems.push(`${name} does not belong to it`)
  return { manifest, problems }
}

async function measured(archive: ArchiveReader, name: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of archive.stream(name) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.byteLength
  }
  return { bytes, sha256: hash.digest('hex') }
}
