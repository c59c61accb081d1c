import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { closePeriods } from '../../src/billing/close-periods.ts'
import { type Verification, verify } from '../../src/billing/verify/verify.ts'
import type { Database } from '../../src/storage/database.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

const worker = fileURLToPath(new URL('chaos-worker.ts', import.meta.url))

/** Kills what works with money so often, each time at another moment, and says what a check of everything finds then. */
export async function billingChaos(
  db: Database,
  { kills, tell = () => {} }: { kills: number; tell?: (line: string) => void },
): Promise<Verification> {
  const { host, port, user, password, database } = db.pool.options
  const url = new URL('postgresql://localhost')
  url.username = user ?? ''
  url.password = String(password ?? '')
  url.pathname = `/${database}`
  // Ours is named by a file descriptor of this process.
  url.searchParams.set('host', (host ?? 'localhost').replace('/proc/self/', `/proc/${process.pid}/`))
  if (port) url.searchParams.set('port', String(port))
  for (let kill = 1; kill <= kills; kill++) {
    await once(url.href, 200 + Math.random() * 1500)
    tell(`killed ${kill} times of ${kills}`)
  }
  await closePeriods({ db, now: () => new Date(), logger: createLogger('warn') })
  return verify(db)
}

async function once(database: string, afterMs: number): Promise<void> {
  const child = fork(worker, [database], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let log = ''
  child.stderr!.on('data', (chunk) => {
    log += chunk
  })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  child.once('message', () => setTimeout(() => child.kill('SIGKILL'), afterMs))
  if ((await ended) !== 'SIGKILL') throw new Error(`the worker ended by itself:\n${log}`)
}
