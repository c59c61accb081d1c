import { access, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { runCommand } from '../../lib/run-command.ts'

/**
 * An empty formatted disk of `sizeMb`, made once per size and copied (about 150 kB of it is real) for each sandbox.
 * No journal: a sandbox's disk does not outlive a power cut, so a journal would only cost.
 * Needs mkfs.ext4; throws `unavailable` without.
 */
export async function blankDisk(imagesDir: string, sizeMb: number): Promise<string> {
  const path = join(imagesDir, `blank-${sizeMb}.ext4`)
  if (
    await access(path).then(
      () => true,
      () => false,
    )
  )
    return path
  const draft = `${path}.${process.pid}.${Date.now()}.draft`
  try {
    await writeFile(draft, '', { mode: 0o600 })
    await truncate(draft, sizeMb * 1024 * 1024)
    const options = ['-q', '-F', '-O', '^has_journal,^resize_inode', '-E', 'lazy_itable_init=1', '-m', '0']
    const made = await runCommand(['mkfs.ext4', ...options, draft], { timeoutMs: 30_000 })
    if (!made.ok)
      throw new WarrenError('unavailable', `mkfs.ext4 ${made.failure}`, { hint: 'apt-get install e2fsprogs' })
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
  return path
}
