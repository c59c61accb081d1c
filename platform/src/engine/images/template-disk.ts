import { readdir, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { isAccessible } from '../../lib/is-accessible.ts'
import { runCommand } from '../../lib/run-command.ts'
import { step } from '../../lib/step.ts'

/**
 * A formatted disk of `sizeMb` with the skeleton on it, made once per skeleton and size and copied for each sandbox:
 * all but some 400 kB of it are holes. No journal: a sandbox's disk does not outlive a power cut, so it would only cost.
 * Needs mkfs.ext4; throws `unavailable` without.
 */
export async function templateDisk(imagesDir: string, skeleton: string, sizeMb: number): Promise<string> {
  const path = join(imagesDir, `${basename(skeleton)}-${sizeMb}.ext4`)
  if (!(await isAccessible(path))) await step('disk.make', path, () => makeWhole(path, skeleton, sizeMb))
  return path
}

async function makeWhole(path: string, skeleton: string, sizeMb: number): Promise<void> {
  const draft = `${path}.${newId('d')}.draft` // two starts may make it at once: the later one wins
  try {
    await writeFile(draft, '', { mode: 0o600 })
    await truncate(draft, sizeMb * 1024 * 1024)
    const options = ['-q', '-F', '-O', '^has_journal,^resize_inode', '-E', 'lazy_itable_init=1', '-m', '0']
    const made = await runCommand(['mkfs.ext4', ...options, '-d', skeleton, draft], { timeoutMs: 30_000 })
    if (!made.ok)
      throw new WarrenError('unavailable', `mkfs.ext4 ${made.failure}`, { hint: 'apt-get install e2fsprogs' })
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
}

/** Removes the disks of sizes that somebody once asked for; those are made again when needed. */
export async function forgetTemplateDisks(imagesDir: string, keptSizeMb: number): Promise<void> {
  for (const name of await readdir(imagesDir)) {
    const isDisk = name.endsWith('.ext4') || name.endsWith('.draft')
    if (isDisk && !name.endsWith(`-${keptSizeMb}.ext4`))
      await step('disk.forget', name, () => rm(join(imagesDir, name), { recursive: true, force: true }))
  }
}
