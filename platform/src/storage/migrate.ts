import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Pool, PoolClient } from 'pg'
import { WarrenError } from '../errors.ts'

export interface Migration {
  /** Its file's name, `NNNN_what.sql`. */
  name: string
  sql: string
}

/** Any number that nothing else in this database locks. */
export const migrationLock = 7_070_001
export const migrationsTable =
  'create table if not exists migrations (name text primary key, checksum text not null, applied_at timestamptz not null default now())'

/**
 * Brings the database to the newest of `migrations`, each in its own transaction; several processes at once wait for each
 * other. Only forward. Throws `conflict` where an applied migration was changed since, or is not known here (the database
 * was used by a newer Warren). Answers with the names it applied.
 */
export async function migrate(pool: Pool, migrations: Migration[] = ownMigrations()): Promise<string[]> {
  const client = await pool.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [migrationLock])
    const applied = await appliedMigrations(client)
    for (const [name, checksum] of applied) checkUnchanged(name, checksum, migrations)
    const pending = migrations.filter(({ name }) => !applied.has(name))
    for (const migration of pending) await apply(client, migration)
    return pending.map(({ name }) => name)
  } finally {
    // Ends the session, and with it the lock, whatever happened above.
    client.release(true)
  }
}

/** The migrations in the folder beside this file, in their order. */
export function ownMigrations(): Migration[] {
  const folder = fileURLToPath(new URL('migrations/', import.meta.url))
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({ name, sql: readFileSync(folder + name, 'utf8') }))
}

async function appliedMigrations(client: PoolClient): Promise<Map<string, string>> {
  await client.query(migrationsTable)
  const { rows } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from migrations order by name',
  )
  return new Map(rows.map(({ name, checksum }) => [name, checksum]))
}

/** Throws `conflict` for an applied migration that is not among `migrations` as it was. */
export function checkUnchanged(name: string, checksum: string, migrations: Migration[]): void {
  const known = migrations.find((migration) => migration.name === name)
  if (!known) {
    throw new WarrenError(
      'conflict',
      `the database has migration ${name}, which this version of Warren does not know`,
      {
        hint: 'Start the newer version of Warren that applied it.',
      },
    )
  }
  if (checksumOf(known) !== checksum) {
    throw new WarrenError('conflict', `migration ${name} was changed after it had been applied`, {
      hint: 'Put its text back as it was and write the change as a new migration.',
    })
  }
}

async function apply(client: PoolClient, migration: Migration): Promise<void> {
  try {
    await client.query('begin')
    await client.query(migration.sql)
    await client.query('insert into migrations (name, checksum) values ($1, $2)', [
      migration.name,
      checksumOf(migration),
    ])
    await client.query('commit')
  } catch (cause) {
    throw new WarrenError('internal', `migration ${migration.name} could not be applied: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex')
}
