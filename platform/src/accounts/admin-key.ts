import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'

const form = /^e2b_[0-9a-f]{40}$/

/**
 * The admin key of this installation: read from `<home>/admin.key`, minted there (mode 0600) at the first start.
 * Several starts at once agree on one key. Throws `internal` when the file holds something else.
 */
export async function adminKey(home: string): Promise<string> {
  const path = join(home, 'admin.key')
  const key = (await existingKey(path)) ?? (await step('key.mint', path, () => mint(home, path)))
  if (form.test(key)) return key
  throw new WarrenError('internal', `${path} does not hold a key (e2b_ and 40 lowercase hex digits)`, {
    hint: 'Delete the file and start again: a new key is minted. The old one stops working.',
  })
}

async function existingKey(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function mint(home: string, path: string): Promise<string> {
  const key = `e2b_${randomBytes(20).toString('hex')}`
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await mkdir(home, { recursive: true, mode: 0o700 })
  await writeFile(draft, `${key}\n`, { mode: 0o600, flush: true })
  try {
    // A link appears whole or not at all and, unlike a rename, never replaces the key that somebody else just minted.
    await link(draft, path)
    return key
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return (await readFile(path, 'utf8')).trim()
  } finally {
    await rm(draft, { force: true })
  }
}
