import { randomUUID } from 'node:crypto'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { Logger } from '../telemetry/logger.ts'
import { migrate } from './migrate.ts'
import { belongTo } from './of-this-node.ts'
import { startPostgres } from './postgres.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import type { Tables } from './tables.ts'

export type Queries = Kysely<Tables> | Transaction<Tables>

export interface Database {
  /** For statements that are not on a hot path. */
  kysely: Kysely<Tables>
  /** For hot paths: `pool.query({ name, text, values })` is prepared once per connection. */
  pool: pg.Pool
  /** Which PostgreSQL this is and where, as a sentence for the operator. */
  description: string
  /** All of `work` happens or nothing does. It runs on one connection, so keep it short and wait for nothing else in it. */
  transaction<T>(work: (tx: Transaction<Tables>) => Promise<T>): Promise<T>
  /** Something that others wait for was committed. Transactions in which `tellAfter` was called say so themselves. */
  told(): void
  /** Calls `listener` whenever that is so, for this process alone. */
  onTold(listener: () => void): void
  /** Ends the connections, and PostgreSQL too if it is our own. */
  close(): Promise<void>
}

interface DatabaseOptions {
  home: string
  /** Undefined: one of our own, in `home`. */
  databaseUrl: string | undefined
  logger: Logger
  /** Id of the worker that writes; undefined for the platform itself. */
  node?: string | undefined
  /** Only that PostgreSQL for one of our own, for tests. Default: the first that works. */
  origin?: PostgresBinaries['origin']
}

const leastVersion = 150_000

const toTell = new WeakSet<Transaction<Tables>>()

/** What `tx` writes is waited for: when it commits, `Database.told` is called. */
export function tellAfter(tx: Transaction<Tables>): void {
  toTell.add(tx)
}

/** Opens the database and brings it up to date. Throws `unavailable` with the reason where there is none to be had. */
export async function openDatabase({ home, databaseUrl, logger, node, origin }: DatabaseOptions): Promise<Database> {
  const own = databaseUrl ? undefined : await startPostgres({ home, logger, ...(origin ? { origin } : {}) })
  const pool = new pg.Pool({
    ...(own ? own.connection : { connectionString: databaseUrl && withoutName(databaseUrl) }),
    // By it another platform knows whose connections they are.
    application_name: `warren ${randomUUID()}`,
    max: 16,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    types: { getTypeParser },
    ...(node === undefined ? {} : { verify: belongTo(node) }),
  })
  tellOfLostConnections(pool)
  let closing = false
  // A connection that breaks is replaced at its next use; without these listeners it would end the process: the pool's own is
  // for those that nobody has.
  pool.on('connect', (client) => {
    client.on('error', () => {})
    const ask = client.query.bind(client) as (...args: unknown[]) => unknown
    client.query = ((...args: unknown[]) => {
      const answer = ask(...args)
      return answer instanceof Promise ? answer.catch(typed) : answer
    }) as typeof client.query
  })
  pool.on('error', ({ message }) => {
    if (!closing) logger.warn({ reason: message }, 'a database connection broke')
  })
  const close = async () => {
    closing = true
    await pool.end()
    await own?.stop()
  }

  try {
    const description = own?.description ?? (await describe(pool))
    const applied = await step('database.migrate', home, () => migrate(pool))
    if (applied.length > 0) logger.info({ applied }, 'database migrated')
    const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
    const listeners: (() => void)[] = []
    const told = () => {
      for (const listener of listeners) listener()
    }
    return {
      kysely,
      pool,
      description,
      async transaction(work) {
        let telling = false
        const result = await kysely.transaction().execute(async (tx) => {
          const answer = await work(tx)
          telling = toTell.has(tx)
          return answer
        })
        if (telling) told()
        return result
      },
      told,
      onTold: (listener) => void listeners.push(listener),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The name that connections have is ours. */
function withoutName(address: string): string {
  if (!URL.canParse(address)) return address
  const url = new URL(address)
  if (!url.searchParams.has('application_name')) return address
  url.searchParams.delete('application_name')
  return url.href
}

/** Makes what fails for want of a connection `unavailable`: it is no fault of the statement. */
function tellOfLostConnections(pool: pg.Pool): void {
  const { query, connect } = pool
  const callQuery = query.bind(pool) as (...args: unknown[]) => Promise<unknown>
  const callConnect = connect.bind(pool) as (...args: unknown[]) => Promise<unknown> | undefined
  pool.query = ((...args: unknown[]) => callQuery(...args).catch(typed)) as typeof pool.query
  // With a callback it is the pool that asks itself.
  pool.connect = ((...args: unknown[]) => callConnect(...args)?.catch(typed)) as typeof pool.connect
}

/** Also what no statement of ours is at fault for: text that PostgreSQL cannot hold, wherever it was sent. */
function typed(error: Error & { code?: string }): never {
  if (error.code === '22021' || error.code === '22P05')
    throw new WarrenError('invalid_request', 'text must be well-formed and have no NUL characters', { cause: error })
  const lost =
    /^(ECONN|ENOENT|EPIPE|ETIMEDOUT|EAGAIN|EMFILE|ENFILE|57P0|53300|08)/.test(error.code ?? '') ||
    /terminat|timeout|not queryable/i.test(error.message)
  if (!lost || error instanceof WarrenError) throw error
  throw new WarrenError('unavailable', 'the database cannot be reached at the moment', {
    hint: 'Try again in a few seconds. The log of the platform tells why.',
    cause: error,
  })
}

async function describe(pool: pg.Pool): Promise<string> {
  const version = await pool
    .query<{ number: string; text: string }>(
      `select current_setting('server_version_num') as number, current_setting('server_version') as text`,
    )
    .then(({ rows }) => rows[0]!)
    .catch((cause: Error) => {
      throw new WarrenError('unavailable', `the database of DATABASE_URL cannot be reached: ${cause.message}`, {
        cause,
      })
    })
  if (Number(version.number) < leastVersion) {
    throw new WarrenError(
      'unavailable',
      `the database of DATABASE_URL is PostgreSQL ${version.text}; 15 or later is needed`,
    )
  }
  return `PostgreSQL ${version.text} of DATABASE_URL`
}

/** 64-bit integers as numbers: ours are counters, far below 2^53. pg would hand them over as text. */
function getTypeParser(oid: number, format?: string): never {
  if (oid === pg.types.builtins.INT8) return Number as never
  return pg.types.getTypeParser(oid, format as never) as never
}
