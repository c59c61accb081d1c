import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { atomicWrite } from '../../lib/atomic-write.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { step } from '../../lib/step.ts'

const marker = 'restore.unfinished'

/** Throws `conflict` where a restore was broken off: what is in the home then is not whole. */
export async function refuseUnfinishedRestore(home: string): Promise<void> {
  if (!(await isAccessible(join(home, marker)))) return
  throw new WarrenError('conflict', `the restore of a backup into ${home} was broken off, so that it is not whole`, {
    hint: 'Remove that folder, empty the database of DATABASE_URL if it is set, and restore the backup again.',
  })
}

/** From now on `home` counts as not whole. */
export async function beginRestore(home: string, archive: string): Promise<void> {
  await step('restore.begin', home, () => atomicWrite(join(home, marker), `${archive}\n`))
}

export async function finishRestore(home: string): Promise<void> {
  await step('restore.finish', home, () => rm(join(home, marker)))
}
