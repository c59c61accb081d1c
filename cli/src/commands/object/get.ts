import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addGet(parent: Command): void {
  parent
    .command('get')
    .description(text.objectGet)
    .argument('<bucket>', text.argumentBucket)
    .argument('<key>', text.argumentObjectKey)
    .argument('[file]', text.argumentObjectFile, '-')
    .action(get)
}

/** The file gets its name when it is whole. */
async function get(bucket: string, key: string, file: string): Promise<void> {
  const content = Readable.fromWeb((await server().objects.getStream(bucket, key)) as never)
  if (file === '-') return pipeline(content, process.stdout, { end: false })
  const partial = `${file}.partial`
  try {
    await withProgress(text.copying, () => pipeline(content, createWriteStream(partial)))
    await rename(partial, file)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}
