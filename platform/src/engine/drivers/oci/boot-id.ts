import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { absentIsFine } from '../../../lib/absent-is-fine.ts'
import type { InstanceDir, SnapshotSource } from '../../driver.ts'
import { snapshotParts } from '../../driver.ts'

/** In the folder that is shown to the sandbox, and beside the memory of what is saved. */
export const bootIdName = 'boot-id'

type Folder = Pick<InstanceDir, 'path'>

/**
 * Gives a new boot, and a copy of what ran elsewhere, a boot id of its own; what comes back in its own place has the one that it
 * had. False for memory that was saved by a version which showed none: what was mounted then is mounted again.
 */
export async function giveBootId(dir: Folder, from: SnapshotSource | undefined): Promise<boolean> {
  let id = `${randomUUID()}\n`
  if (from?.token !== undefined) {
    const saved = await readFile(`${from.path}/${snapshotParts.memory}/${bootIdName}`, 'utf8').catch(absentIsFine)
    if (saved === undefined) return false
    if (from.kept) id = saved
  }
  await writeFile(shown(dir), id, { mode: 0o644 })
  return true
}

/** Puts it beside the memory in the folder `into`, where a sandbox has one. */
export async function keepBootId(dir: Folder, into: string): Promise<void> {
  const id = await readFile(shown(dir)).catch(absentIsFine)
  if (id) await writeFile(`${into}/${bootIdName}`, id, { mode: 0o600 })
}

function shown(dir: Folder): string {
  return `${dir.path}/host/${bootIdName}`
}
