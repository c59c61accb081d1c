import { randomBytes } from 'node:crypto'
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { step } from './step.ts'

/**
 * The text in the file at `path`: what was there, else what `mint` makes now (mode 0600). Several starts at once agree. What one that was killed
 * meanwhile left beside it is removed.
 */
export async function keptSecret(path: string, mint: () => string): Promise<string> {
  const secret = (await existing(path)) ?? (await step('secret.keep', path, () => keep(path, mint())))
  const left = await drafts(path)
  // Now that the secret is there nobody needs them: who is about to name one finds that it is there.
  if (left.length > 0)
    await step('secret.reap', path, () => Promise.all(left.map((draft) => rm(draft, { force: true }))))
  return secret
}

async function drafts(path: string): Promise<string[]> {
  const folder = dirname(path)
  const beginning = `${basename(path)}.`
  const names = await readdir(folder)
  return names
    .filter((name) => name.startsWith(beginning) && /^[0-9a-f]{12}$/.test(name.slice(beginning.length)))
    .map((name) => join(folder, name))
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
    // One that is gone was taken for what an earlier start had left, which is done when the secret is there.
    if (!['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return (await readFile(path, 'utf8')).trim()
  } finally {
    await rm(draft, { force: true })
  }
}
