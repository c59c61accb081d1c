import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../errors.ts'
import { isAlive, processStat } from '../lib/process-stat.ts'

export interface PostgresProcess {
  pid: number
  startTime: string
}

/** The server that runs on these data, if one does: the one that an earlier platform left when it was killed. */
export async function findRunning(data: string): Promise<PostgresProcess | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  if (!(pid > 0) || !(await worksIn(pid, await realpath(data)))) return undefined
  const stat = processStat(pid)
  return stat && { pid, startTime: stat.startTime }
}

/**
 * Removes the locks of a server that died without doing so. PostgreSQL would do it itself but for two cases: its former
 * pid is a zombie that nobody reaps, or belongs to another program by now. Throws where parts of the server still run.
 */
export async function removeStaleLocks(data: string): Promise<void> {
  const deadline = Date.now() + 5000
  const real = await realpath(data)
  for (;;) {
    const left = await processesIn(real)
    if (left.length === 0) break
    // Backends notice within a moment that their server is gone. Deleting the lock before that would ruin the data.
    if (Date.now() > deadline) {
      throw new WarrenError('unavailable', `processes ${left.join(', ')} still use ${data}, but their server is gone`, {
        hint: 'End them by hand, then start again.',
      })
    }
    await sleep(50)
  }
  await rm(join(data, 'postmaster.pid'), { force: true })
  await rm(join(data, '.s.PGSQL.5432.lock'), { force: true })
  await rm(join(data, '.s.PGSQL.5432'), { force: true })
}

/** Ends a server in order: running statements are cancelled, everything is written. Resolves when it is gone. */
export async function stopServer({ pid, startTime }: PostgresProcess): Promise<void> {
  const steps = [
    { signal: 'SIGINT', forMs: 20_000 },
    { signal: 'SIGQUIT', forMs: 5000 },
    { signal: 'SIGKILL', forMs: 5000 },
  ] as const
  for (const { signal, forMs } of steps) {
    const deadline = Date.now() + forMs
    if (isAlive(pid, startTime)) process.kill(pid, signal)
    while (isAlive(pid, startTime) && Date.now() < deadline) await sleep(10)
    if (!isAlive(pid, startTime)) return
  }
}

async function processesIn(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const found = await Promise.all(pids.map(async (pid) => ((await worksIn(pid, folder)) ? pid : 0)))
  return found.filter((pid) => pid > 0)
}

async function worksIn(pid: number, folder: string): Promise<boolean> {
  const stat = processStat(pid)
  if (stat?.name !== 'postgres' || !isAlive(pid)) return false
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder
}
