import { chmod, chown, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../../errors.ts'
import { newId } from '../../../lib/id.ts'
import { isAccessible } from '../../../lib/is-accessible.ts'
import { step } from '../../../lib/step.ts'
import { type InstanceDir, type SavedParts, type SnapshotSource, snapshotParts } from '../../driver.ts'
import { askMachine, saveMachine } from './control.ts'
import { imageId } from './shown-image.ts'

/** Where the monitor writes what it saves, in the instance's folder. */
export const monitorFolder = 'machine'
/** Beside a snapshot's parts, and none of them: another name of the image its guest saw, which must outlive the host's programs. */
const pinned = '.shown'
const recordName = 'machine.json'

/** What is known of a saved machine beside its state, in `machine.json`. */
interface MachineRecord {
  /** Number of the image with the host's programs: what its guest remembers of it is true of no other. */
  shown: string
}

export interface MachineFiles {
  statePath: string
  memoryPath: string
  /** The image that its guest sees. */
  shown: string
}

/**
 * Saves the machine that runs in `dir` into the empty folder `into`. With `hold` it stands still from then on and its disk
 * is not copied. On rejection it runs as before.
 */
export async function saveInto(
  into: string,
  machine: { id: string; dir: InstanceDir },
  { hold }: { hold: boolean },
  signal: AbortSignal,
): Promise<SavedParts> {
  const { id, dir } = machine
  const folder = join(dir.path, monitorFolder)
  const parts = { state: 'memory/state', ram: 'memory/ram', ...(hold ? {} : { disk: snapshotParts.disk }) }
  try {
    await step('snapshot.draft', id, () => mkdir(join(into, snapshotParts.memory), { recursive: true }))
    await step('snapshot.stand_still', id, () => askMachine(dir, 'vmPause', signal))
    await step('snapshot.save_machine', id, () => saveMachine(dir, { disk: !hold }, signal))
    if (!hold) await step('snapshot.go_on', id, () => askMachine(dir, 'vmResume'))
    await step('snapshot.take_parts', id, async () => {
      for (const [name, part] of Object.entries(parts)) await takeOver(join(folder, name), join(into, part))
      const shown = await readFile(join(dir.path, recordName))
      await writeFile(join(into, snapshotParts.memory, recordName), shown, { mode: 0o600 })
      await link(join(dir.path, pinned), join(into, pinned)).catch(unpinnedIsFine)
    })
    return { token: newId('c'), goesOn: Promise.resolve() }
  } catch (error) {
    await step('snapshot.go_on', id, () => askMachine(dir, 'vmResume'))
    await step('snapshot.clear_machine', id, async () => {
      for (const name of ['state', 'ram', 'disk']) await rm(join(folder, name), { force: true })
    })
    throw error
  }
}

/**
 * Notes which image the guest of the machine in `dir` sees, and gives it another name there: what is saved of the machine
 * takes that along. On a file system other than the image's there is no such name, and what is saved lasts as long as the image.
 */
export async function pin(id: string, dir: InstanceDir, shown: string): Promise<void> {
  await step('machine.pin', id, async () => {
    const record: MachineRecord = { shown: await imageId(shown) }
    await writeFile(join(dir.path, recordName), JSON.stringify(record), { mode: 0o600 })
    await rm(join(dir.path, pinned), { force: true })
    await link(shown, join(dir.path, pinned)).catch(unpinnedIsFine)
  })
}

function unpinnedIsFine(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EXDEV' && error.code !== 'ENOENT') throw error
}

/** What the machine's own user has written becomes ours. */
export async function takeOver(file: string, place: string): Promise<void> {
  await chown(file, 0, 0)
  await chmod(file, 0o400)
  await rename(file, place)
}

/**
 * The files of a machine in a snapshot. `shown` is the image of today: one that came from elsewhere can only be used with
 * that. Throws `invalid_request` with the reason.
 */
export async function filesOf(source: SnapshotSource, shown: string): Promise<MachineFiles> {
  const folder = join(source.path, snapshotParts.memory)
  const files = { statePath: join(folder, 'state'), memoryPath: join(folder, 'ram') }
  const own = join(source.path, pinned)
  if (await isAccessible(own)) return { ...files, shown: own }
  const wanted = await readFile(join(folder, recordName), 'utf8').then(
    (text) => (JSON.parse(text) as Partial<MachineRecord>).shown,
    () => undefined,
  )
  if (wanted !== (await imageId(shown)))
    throw new WarrenError(
      'invalid_request',
      'the snapshot cannot be used: its guest remembers the programs of the host it was taken on, and those here are others',
    )
  return { ...files, shown }
}
