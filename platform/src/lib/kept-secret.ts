import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { step } from './step.ts'

/** The text in the file at `path`: what was there, else what `mint` makes now (mode 0600). Several starts at once agree. */
export async function keptSecret(path: string, mint: () => string): Promise<string> {
  return (await existing(path)) ?? (await step('secret.keep', path, () => keep(path, mint())))
}

async function existing(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function keep(path: string, secret: string): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(draft, `${secret}\n`, { mode: 0o600, flush: true })
  try {
    // A link appears whole or not at all and, unlike a rename, never replaces what somebody else just kept.
    await link(draft, path)
    return secret
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return (await readFile(path, 'utf8')).trim()
  } finally {
    await rm(draft, { force: true })
  }
}
