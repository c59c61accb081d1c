import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addExport(parent: Command): void {
  parent
    .command('export')
    .description(text.snapshotExport)
    .argument('<snapshot>', text.argumentSnapshotId)
    .argument('<file>', text.argumentFile)
    .action(exportTo)
}

/** The file gets its name when it is whole. */
async function exportTo(id: string, file: string): Promise<void> {
  const content = Readable.fromWeb((await server().snapshots.export(id)) as never)
  if (file === '-') return pipeline(content, process.stdout, { end: false })
  const partial = `${file}.partial`
  try {
    await withProgress(text.copying, () => pipeline(content, createWriteStream(partial, { mode: 0o600 })))
    await rename(partial, file)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}
