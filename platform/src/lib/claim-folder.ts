import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { isAlive, processStat } from './process-stat.ts'

/**
 * Makes this process the only owner of `folder` until the answered function is called or the process dies, however it
 * dies. Throws `conflict` naming the other process while that one lives.
 */
export function claimFolder(folder: string): () => void {
  const path = join(folder, 'owner')
  const me = `${process.pid} ${processStat(process.pid)?.startTime}`
  for (;;) {
    try {
      writeFileSync(path, me, { flag: 'wx', mode: 0o600 })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    refuseIfAlive(path, folder)
    removeStale(path, folder)
  }
}

/** Takes the file of a dead owner away. Another claimant may have replaced it meanwhile: then it is put back. */
function removeStale(path: string, folder: string): void {
  const aside = `${path}.${process.pid}.stale`
  try {
    renameSync(path, aside)
  } catch {
    return // somebody else was faster
  }
  try {
    refuseIfAlive(aside, folder)
  } catch (error) {
    linkSync(aside, path)
    throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function refuseIfAlive(path: string, folder: string): void {
  const [pid, startTime] = readOwner(path)
  if (!pid || !isAlive(Number(pid), startTime)) return
  throw new WarrenError('conflict', `${folder} is in use by process ${pid}`, {
    hint: 'Stop that one first, or set WARREN_HOME to another folder.',
  })
}

function readOwner(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(' ')
  } catch {
    return []
  }
}
