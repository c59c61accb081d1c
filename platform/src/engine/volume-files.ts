import { mkdir, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { runCommand } from '../lib/run-command.ts'
import { step } from '../lib/step.ts'
import type { VolumePlace } from './driver.ts'
import type { Host } from './host/host.ts'

const imageName = 'volume.ext4'
const folderName = 'files'

/**
 * The files of volumes, a folder for each. As root a volume is a disk of its own: that limits its size, and users have the
 * same numbers on it whichever sandbox they are in. Else it is a folder without a limit, for all sandboxes are this user.
 */
export class VolumeFiles {
  readonly #root: string
  readonly #host: Pick<Host, 'root' | 'disk'>

  constructor(root: string, host: Pick<Host, 'root' | 'disk'>) {
    this.#root = root
    this.#host = host
  }

  /** Whether the size of a volume is limited here. */
  get hasLimit(): boolean {
    return this.#host.root
  }

  place({ id, path, readOnly }: Omit<VolumePlace, 'source'>): VolumePlace {
    return {
      id,
      path,
      ...(readOnly && { readOnly }),
      source: join(this.#root, id, this.#host.root ? imageName : folderName),
    }
  }

  /** Makes an empty volume. Throws `unavailable` where disks cannot be made. */
  async create(id: string, sizeMb: number): Promise<void> {
    const { root, disk } = this.#host
    if (root && disk !== 'loop')
      throw new WarrenError('unavailable', 'a volume is a disk, and none can be made here', {
        hint: 'It needs loop devices and apt-get install e2fsprogs.',
      })
    const folder = join(this.#root, id)
    await step('volume.make', id, async () => {
      await mkdir(this.#root, { recursive: true, mode: 0o700 })
      await mkdir(folder, { mode: 0o700 })
      if (root) await makeDisk(folder, sizeMb)
      else await mkdir(join(folder, folderName), { mode: 0o755 })
    })
  }

  /** A sandbox that has it still sees what is in it. */
  async remove(id: string): Promise<void> {
    await step('volume.remove', id, () => rm(join(this.#root, id), { recursive: true, force: true }))
  }

  /** Of all that have files. */
  async ids(): Promise<string[]> {
    return readdir(this.#root).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
  }
}

/** With a journal, for it outlives power cuts. It belongs to the user of sandboxes. */
async function makeDisk(folder: string, sizeMb: number): Promise<void> {
  const draft = join(folder, `${newId('d')}.draft`)
  await writeFile(draft, '', { mode: 0o600 })
  await truncate(draft, sizeMb * 1024 * 1024)
  const options = ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=1,root_owner=1000:1000']
  for (const argv of [
    ['mkfs.ext4', ...options, draft],
    ['debugfs', '-w', '-R', 'rmdir lost+found', draft],
  ] as [string, ...string[]][]) {
    const made = await runCommand(argv, { timeoutMs: 30_000 })
    if (!made.ok) throw new WarrenError('unavailable', `${argv[0]} ${made.failure}`)
  }
  await rename(draft, join(folder, imageName))
}
