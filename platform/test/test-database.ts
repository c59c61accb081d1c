import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Database, openDatabase } from '../src/storage/database.ts'
import { startPostgres } from '../src/storage/postgres.ts'
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

/** A test, or the file: `after` of node:test. */
interface Cleanup {
  after: (done: () => Promise<void>) => void
}

/** So many connections of nodes to one new database, each as `DATABASE_URL` makes it; all is removed afterwards. */
export async function openSharedDatabase(t: Cleanup, nodes: number): Promise<Database[]> {
  const opened: Database[] = []
  const { databaseUrl } = await startSharedPostgres({
    after: (stop) =>
      t.after(async () => {
        await Promise.all(opened.map((database) => database.close()))
        await stop()
      }),
  })
  for (let node = 0; node < nodes; node++)
    opened.push(await openDatabase({ home: '/nonexistent', databaseUrl, logger: createLogger('warn') }))
  return opened
}

/** A PostgreSQL that several platforms share. */
export async function startSharedPostgres(t: Cleanup): Promise<{ databaseUrl: string }> {
  const home = mkdtempSync(join(tmpdir(), 'warren-test-'))
  const postgres = await startPostgres({ home, logger: createLogger('warn') })
  t.after(async () => {
    await postgres.stop()
    rmSync(home, { recursive: true, force: true })
  })
  return { databaseUrl: `postgres://warren@/postgres?host=${join(home, 'postgres', 'data')}` }
}

/** Why a suite cannot run against `origin` here, as node:test's option `skip` wants it; false if it can. */
export async function whyNoPostgres(origin: PostgresBinaries['origin']): Promise<string | false> {
  const folder = mkdtempSync(join(tmpdir(), 'warren-test-'))
  const installed = await findPostgres(folder)
  rmSync(folder, { recursive: true })
  return installed.some((binaries) => binaries.origin === origin) ? false : `no ${origin} PostgreSQL is installed here`
}
