import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type pg from 'pg'
import copyStreams from 'pg-copy-streams'
import { WarrenError } from '../../errors.ts'
import { claimFolder } from '../../lib/claim-folder.ts'
import { step } from '../../lib/step.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { checkUnchanged, migrationLock, migrationsTable, ownMigrations } from '../migrate.ts'
import { ArchiveReader } from './archive-reader.ts'
import { attachDatabase } from './attach.ts'
import { ignoredNames } from './contents.ts'
import { unpackFolder } from './folders.ts'
import { forgetTransactions } from './forget-transactions.ts'
import type { BackupManifest } from './manifest.ts'
import { copied, isEmpty, quoted, tablesOf } from './tables.ts'
import { beginRestore, finishRestore, refuseUnfinishedRestore } from './unfinished.ts'
import { verifyArchive } from './verify.ts'

interface RestoreBackup {
  path: string
  home: string
  databaseUrl: string | undefined
  logger: Logger
}

/**
 * Makes an installation of a backup, in an empty home and an empty database. Throws `conflict` where one of them is not empty,
 * `invalid_request` for a backup that is damaged or of a newer Warren. Nothing starts on what it leaves when it is broken off.
 */
export async function restoreBackup({ path, home, databaseUrl, logger }: RestoreBackup): Promise<BackupManifest> {
  const archive = await ArchiveReader.open(resolve(path))
  try {
    const { manifest, problems } = await verifyArchive(archive)
    if (problems.length > 0)
      throw new WarrenError('invalid_request', `the backup is damaged: ${problems.slice(0, 3).join('; ')}`)
    checkVersion(manifest)

    await refuseUnfinishedRestore(home)
    await step('home.make', home, () => mkdir(home, { recursive: true, mode: 0o700 }))
    await refuseFull(home)
    const release = claimFolder(home)
    try {
      await beginRestore(home, resolve(path))
      await fill(archive, manifest, { home, databaseUrl, logger }).catch(async (error) => {
        await takeBack(home)
        throw error
      })
      await finishRestore(home)
    } finally {
      release()
    }
    return manifest
  } finally {
    await archive.close()
  }
}

/** An older one is brought up to date by the first start. */
function checkVersion({ migrations }: BackupManifest): void {
  const own = ownMigrations()
  try {
    for (const { name, checksum } of migrations) checkUnchanged(name, checksum, own)
  } catch (cause) {
    throw new WarrenError(
      'invalid_request',
      `the backup is not of this version of Warren: ${(cause as Error).message}`,
      {
        hint: 'Restore it with the version of Warren that made it, or a newer one.',
        cause,
      },
    )
  }
}

async function fill(
  archive: ArchiveReader,
  manifest: BackupManifest,
  { home, databaseUrl, logger }: Omit<RestoreBackup, 'path'>,
): Promise<void> {
  for (const file of manifest.files) {
    const target = join(home, file.path)
    const content = await archive.read(file.part)
    await step('restore.file', target, async () => {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await writeFile(target, content, { mode: 0o600, flag: 'wx', flush: true })
      await chmod(target, file.mode)
    })
  }
  for (const { name, part } of manifest.folders)
    await step('restore.folder', name, () => unpackFolder(home, name, archive.stream(part)))
  // Last and in one piece: it may be a server of others, from which nothing could be taken back.
  const { client, close } = await attachDatabase({ home, databaseUrl, logger, make: true })
  try {
    await step('restore.database', home, () => inOneTransaction(client, () => fillDatabase(archive, manifest, client)))
  } finally {
    await close()
  }
}

async function inOneTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

/** Makes the tables as they were when the backup was made; the first start brings them up to date. */
async function fillDatabase(archive: ArchiveReader, manifest: BackupManifest, client: pg.Client): Promise<void> {
  // A platform that is started on it now waits, and finds all of it.
  await client.query('select pg_advisory_xact_lock($1)', [migrationLock])
  if (!(await isEmpty(client)))
    throw new WarrenError('conflict', 'the database is not empty', {
      hint: 'Make an empty one and name it by DATABASE_URL, or leave that out for one in WARREN_HOME.',
    })
  await client.query(migrationsTable)
  const own = ownMigrations()
  for (const { name } of manifest.migrations) await client.query(own.find((migration) => migration.name === name)!.sql)

  const tables = await tablesOf(client)
  const all = tables.map(({ name }) => quoted(name)).join(', ')
  // What they check and refuse, they checked when it was written. References are checked all the same.
  for (const { name } of tables) await client.query(`alter table ${quoted(name)} disable trigger user`)
  await client.query(`truncate ${all}`)
  for (const { name } of tables) {
    const saved = manifest.tables.find((table) => table.name === name)
    if (saved) await fillTable(archive, saved, client)
  }
  await forgetTransactions(client)
  // Where S3 has it, the platform that the backup was made of may have finished it since.
  await client.query(`delete from bucket_contents where state = 'writing'`)
  for (const { name } of tables) await client.query(`alter table ${quoted(name)} enable trigger user`)
  for (const { name, value, called } of manifest.sequences)
    await client.query('select setval($1::regclass, $2::bigint, $3)', [quoted(name), value, called])
}

async function fillTable(
  archive: ArchiveReader,
  table: BackupManifest['tables'][number],
  client: pg.Client,
): Promise<void> {
  const rowsIn = client.query(copyStreams.from(`copy ${copied(table)} from stdin`))
  await pipeline(archive.stream(table.part), createGunzip(), rowsIn)
  if (rowsIn.rowCount !== table.rows)
    throw new WarrenError('internal', `${rowsIn.rowCount} rows of ${table.name} were restored, not ${table.rows}`)
}

async function refuseFull(home: string): Promise<void> {
  const names = (await readdir(home)).filter((name) => !ignoredNames.includes(name))
  if (names.length === 0) return
  throw new WarrenError('conflict', `${home} is not empty: there is ${names.sort().slice(0, 3).join(', ')}`, {
    hint: 'Set WARREN_HOME to a folder that is empty or does not exist yet.',
  })
}

/** Takes away what a restore wrote that failed; the mark that it is not whole goes last. */
async function takeBack(home: string): Promise<void> {
  const written = (await readdir(home)).filter(
    (name) => ![...ignoredNames, 'owner', 'restore.unfinished'].includes(name),
  )
  for (const name of written)
    await step('restore.take_back', name, () => rm(join(home, name), { recursive: true, force: true }))
  await finishRestore(home)
}
