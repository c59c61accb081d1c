import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { WarrenError } from '../../errors.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { ownConnection, startPostgres } from '../postgres.ts'

export interface Attached {
  client: pg.Client
  /** Ends the connection, and the server too if it was started for it. */
  close(): Promise<void>
}

/**
 * One connection to the database of an installation, whose platform may be at work or not: ours is started if nobody runs
 * it. With `make` one of our own may be made. Throws `not_found` where there is none, `unavailable` where it does not answer.
 */
export async function attachDatabase(options: {
  home: string
  databaseUrl: string | undefined
  logger: Logger
  make?: boolean
}): Promise<Attached> {
  const { home, databaseUrl, logger, make } = options
  if (databaseUrl) return connected({ connectionString: databaseUrl }, async () => {})
  const data = join(home, 'postgres', 'data')
  if (!make && !(await isAccessible(data, constants.F_OK)))
    throw new WarrenError('not_found', `there is no database in ${home}`, {
      hint: 'Set WARREN_HOME to the folder of the platform, and DATABASE_URL if it has its database elsewhere.',
    })
  try {
    const own = await startPostgres({ home, logger })
    return await connected(own.connection, () => own.stop())
  } catch (error) {
    if (make || !(error instanceof WarrenError && error.code === 'conflict')) throw error
  }
  // A platform runs it at this moment.
  const folder = openSync(data, constants.O_RDONLY | constants.O_DIRECTORY)
  return connected(ownConnection(folder), async () => closeSync(folder))
}

async function connected(config: pg.ClientConfig, after: () => Promise<void>): Promise<Attached> {
  const client = new pg.Client({ ...config, application_name: 'warren backup', connectionTimeoutMillis: 10_000 })
  // What is under way fails by itself.
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    await after()
    throw new WarrenError('unavailable', `the database cannot be reached: ${(cause as Error).message}`, { cause })
  }
  return {
    client,
    async close() {
      await client.end().catch(() => {})
      await after()
    },
  }
}
