import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { WarrenError } from '../../errors.ts'
import type { Limits, Usage } from '../driver.ts'

const mebibyte = 1024 * 1024
/** What is left to the host and our database when a sandbox would fill its disk, MiB. */
const reserveMb = 256

/**
 * Throws `limit_exceeded` where a sandbox of these limits could not be what it promises. Disks are sparse, so together they
 * may promise more than there is; each one alone must fit into what is free now.
 */
export async function checkRoom(folder: string, limits: Limits): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const freeMb = Math.floor((bavail * bsize) / mebibyte)
  if (freeMb < limits.diskMb + reserveMb) {
    throw new WarrenError('limit_exceeded', `a disk of ${limits.diskMb} MiB does not fit: ${freeMb} MiB are free`, {
      hint: `Ask for a smaller one, or make room where WARREN_HOME is; ${reserveMb} MiB stay in reserve.`,
    })
  }
  if (limits.maxOpenFiles > mostOpenFiles()) {
    throw new WarrenError('limit_exceeded', `maxOpenFiles of ${limits.maxOpenFiles} is more than this host allows`, {
      hint: `At most ${mostOpenFiles()}; the operator can raise it (ulimit -Hn, or LimitNOFILE of the service).`,
    })
  }
}

/** Throws `limit_exceeded` where what a sandbox holds in memory now would not fit on the disk. */
export async function checkRoomForMemory(folder: string, usage: Usage | undefined): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const freeMb = Math.floor((bavail * bsize) / mebibyte)
  const neededMb = Math.ceil((usage?.memoryBytes ?? 0) / mebibyte)
  if (freeMb < neededMb + reserveMb) {
    throw new WarrenError(
      'limit_exceeded',
      `${neededMb} MiB of memory cannot be saved: ${freeMb} MiB are free on the disk`,
      {
        hint: `Make room where WARREN_HOME is; ${reserveMb} MiB stay in reserve.`,
      },
    )
  }
}

/** What failed for want of room on the disk as `limit_exceeded`; another failure as it is. */
export function orDiskFull(error: unknown): unknown {
  for (let found = error as NodeJS.ErrnoException | undefined; found; found = found.cause as typeof found)
    // Of other programs there is but what they say.
    if (found.code === 'ENOSPC' || /no space left on device/i.test(found.message)) {
      return new WarrenError(
        'limit_exceeded',
        'the disk of the host is full: there is no room for what is to be saved',
        {
          hint: 'Make room where WARREN_HOME is, and try again.',
          cause: error,
        },
      )
    }
  return error
}

/** The hard limit of this process, which no sandbox can exceed. */
function mostOpenFiles(): number {
  const hard = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}
