import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Database, openDatabase } from '../src/storage/database.ts'
import { findPostgres, type PostgresBinaries } from '../src/storage/postgres-binaries.ts'
import { createLogger } from '../src/telemetry/logger.ts'

/** The PostgreSQLs that a store is tested against: the newest and the oldest that we promise to work with. */
export const postgresOrigins: PostgresBinaries['origin'][] = ['embedded', 'system']

/** An empty home folder that is removed after the test. */
export function temporaryHome(t: Pick<TestContext, 'after'>): string {
  const home = mkdtempSync(join(tmpdir(), 'warren-test-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  return home
}

/** A database of its own for one test or suite, up to date and empty; it is closed and removed afterwards. */
export async function openTestDatabase(
  t: Pick<TestContext, 'after'>,
  origin: PostgresBinaries['origin'] = 'embedded',
): Promise<Database> {
  const home = mkdtempSync(join(tmpdir(), 'warren-test-'))
  const logger = createLogger('warn')
  const database = await openDatabase({ home, databaseUrl: undefined, logger, origin })
  t.after(async () => {
    await database.close()
    rmSync(home, { recursive: true, force: true })
  })
  return database
}

/** Why a suite cannot run against `origin` here, as node:test's option `skip` wants it; false if it can. */
export async function whyNoPostgres(origin: PostgresBinaries['origin']): Promise<string | false> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-test-'))
  const installed = await findPostgres(folder)
  rmSync(folder, { recursive: true })
  return installed.some((binaries) => binaries.origin === origin) ? false : `no ${origin} PostgreSQL is installed here`
}
