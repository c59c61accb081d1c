import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createGzip } from 'node:zlib'
import type pg from 'pg'
import copyStreams from 'pg-copy-streams'
import { WarrenError } from '../../errors.ts'
import { claimFolder } from '../../lib/claim-folder.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { ArchiveWriter } from './archive-writer.ts'
import { attachDatabase } from './attach.ts'
import { filesBelow, journalPaths, keptPaths, type LargeName, largeNames } from './contents.ts'
import { hasFolder, packFolder, sizeOfFolder } from './folders.ts'
import { type BackupManifest, backupFormat, manifestName, manifestSumName, type Part, sumOf } from './manifest.ts'
import { copied, sequencesOf, tablesOf } from './tables.ts'
import { refuseUnfinishedRestore } from './unfinished.ts'

interface CreateBackup {
  home: string
  databaseUrl: string | undefined
  /** Where the archive shall be. */
  path: string
  /** Large files to take along. */
  with: LargeName[]
  now: Date
  logger: Logger
}

export interface CreatedBackup {
  path: string
  bytes: number
  manifest: BackupManifest
}

/**
 * Writes what an installation must not lose into one archive: the database as it is at one moment, keys, code of functions, and
 * the large files that are asked for. The platform may be at work. Nothing is at `path` until all of it is.
 */
export async function createBackup(input: CreateBackup): Promise<CreatedBackup> {
  const { home, databaseUrl, logger, now } = input
  const path = resolve(input.path)
  if (!(await isAccessible(join(home, 'admin.key'))))
    throw new WarrenError('not_found', `there is no platform in ${home}, or it belongs to another user`, {
      hint: 'Set WARREN_HOME to the folder of the platform.',
    })
  await refuseUnfinishedRestore(home)
  const release = claimed(home)
  try {
    const { client, close } = await attachDatabase({ home, databaseUrl, logger })
    try {
      const archive = await ArchiveWriter.create(path, now)
      try {
        const manifest = await fill(archive, client, { ...input, live: !release })
        return { path, bytes: await archive.finish(), manifest }
      } catch (error) {
        await archive.abandon()
        throw error
      }
    } finally {
      await close()
    }
  } finally {
    release?.()
  }
}

/** Undefined while a platform is at work in `home`. */
function claimed(home: string): (() => void) | undefined {
  try {
    return claimFolder(home)
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'conflict') return undefined
    throw error
  }
}

async function fill(
  archive: ArchiveWriter,
  client: pg.Client,
  { home, with: wanted, now, live }: CreateBackup & { live: boolean },
): Promise<BackupManifest> {
  const parts: Part[] = []
  const add = async (name: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
    parts.push(await archive.add(name, content))
    return name
  }
  // Before and after the moment of the database: a line is in one of the two or in the database.
  const before = await journals(home)
  await client.query('begin isolation level repeatable read read only')
  const { rows: migrations } = await client
    .query<{ name: string; checksum: string }>('select name, checksum from migrations order by name')
    .catch((cause) => {
      throw new WarrenError('not_found', 'the database is not one of Warren', { cause })
    })
  const after = await journals(home)
  const files = await addFiles(home, parts.length, add)
  for (const [journal, text] of Object.entries(merged(before, after))) {
    const part = await add(`home/${journal}`, [Buffer.from(text)])
    files.push({ path: journal, mode: 0o600, part })
  }
  const missingCode = await codeThatIsMissing(client, files)

  const tables: BackupManifest['tables'] = []
  for (const table of await tablesOf(client)) {
    const rowsOut = client.query(copyStreams.to(`copy ${copied(table)} to stdout`))
    const zipped = createGzip()
    rowsOut.on('error', (error) => zipped.destroy(error))
    const part = await add(`database/${table.name}.copy.gz`, rowsOut.pipe(zipped))
    tables.push({ ...table, rows: rowsOut.rowCount ?? 0, part })
  }
  const sequences = await sequencesOf(client)
  const { rows: server } = await client.query<{ version: string }>(
    `select current_setting('server_version') as version`,
  )
  await client.query('commit')

  const folders: BackupManifest['folders'] = []
  const leftOut: BackupManifest['leftOut'] = []
  for (const name of largeNames) {
    if (!(await hasFolder(home, name))) continue
    if (wanted.includes(name)) folders.push({ name, part: await add(`${name}.tar`, packFolder(home, name)) })
    else leftOut.push({ name, bytes: await sizeOfFolder(home, name) })
  }

  const manifest: BackupManifest = {
    ...{ format: backupFormat, createdAt: now.toISOString(), live, postgres: server[0]!.version },
    ...{ migrations, tables, sequences, files, folders, leftOut, missingCode, parts },
  }
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 1)}\n`)
  await archive.add(manifestName, [text])
  await archive.add(manifestSumName, [Buffer.from(`${sumOf(text)}\n`)])
  return manifest
}

async function addFiles(
  home: string,
  first: number,
  add: (name: string, content: Iterable<Uint8Array>) => Promise<string>,
): Promise<BackupManifest['files']> {
  const files: BackupManifest['files'] = []
  for (const kept of keptPaths) {
    for (const path of await filesBelow(home, kept)) {
      const content = await readFile(join(home, path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined // removed meanwhile
        throw error
      })
      if (!content) continue
      // A name in a tar archive has at most 100 bytes.
      const name = path.length <= 95 ? `home/${path}` : `home/long/${first + files.length}`
      const { mode } = await stat(join(home, path)).catch(() => ({ mode: 0o600 }))
      files.push({ path, mode: mode & 0o777, part: await add(name, [content]) })
    }
  }
  return files
}

async function journals(home: string): Promise<Record<string, string>> {
  const read = async (path: string) => [path, await readFile(join(home, path), 'utf8').catch(() => '')] as const
  return Object.fromEntries(await Promise.all(journalPaths.map(read)))
}

/** The lines of both, each once; only journals that have any. */
function merged(before: Record<string, string>, after: Record<string, string>): Record<string, string> {
  const both = journalPaths.map((path) => {
    const lines = new Set(`${before[path]}\n${after[path]}`.split('\n').filter(Boolean))
    return [path, [...lines].map((line) => `${line}\n`).join('')] as const
  })
  return Object.fromEntries(both.filter(([, text]) => text !== ''))
}

/** A version that was removed meanwhile, or whose code was lost before. */
async function codeThatIsMissing(client: pg.Client, files: BackupManifest['files']): Promise<string[]> {
  const { rows } = await client.query<{ code: string }>('select distinct code from function_versions order by 1')
  const present = new Set(files.map(({ path }) => path))
  return rows.map(({ code }) => code).filter((code) => !present.has(`functions/code/${code}`))
}
