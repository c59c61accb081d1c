import { type Files, WarrenError } from '@warren/sdk'
import { text } from '../messages.ts'
import { writeAll } from '../output/print.ts'
import { type CopyOptions, type CopyTally, counted } from './tally.ts'

/** Writes a file of a sandbox to standard output. */
export async function toStandardOutput(files: Files, from: string, options: CopyOptions): Promise<CopyTally> {
  const { user, signal, onProgress } = options
  const tally: CopyTally = { files: 1, bytes: 0, skipped: [] }
  await refuseFolder(files, from, options)
  const source = await files.readStream(from, { user, signal })
  for await (const chunk of counted(source, tally, onProgress)) await writeAll(process.stdout, chunk)
  return tally
}

/** Makes a file of a sandbox of what comes on standard input. */
export async function fromStandardInput(files: Files, to: string, options: CopyOptions): Promise<CopyTally> {
  const { user, signal, onProgress } = options
  const tally: CopyTally = { files: 1, bytes: 0, skipped: [] }
  await refuseFolder(files, to, options)
  await files.write(to, counted<Uint8Array>(process.stdin, tally, onProgress), { user, signal })
  return tally
}

async function refuseFolder(files: Files, path: string, { user, signal }: CopyOptions): Promise<void> {
  const isFolder = await files.stat(path, { user, signal }).then(
    ({ type }) => type === 'directory',
    () => false,
  )
  if (isFolder || path.endsWith('/')) throw new WarrenError('invalid_request', text.noStandardFolder(path))
}
