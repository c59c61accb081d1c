import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { keptSecret } from '../lib/kept-secret.ts'

/** What the tokens of sandboxes are made from: read from `<home>/token.seed`, minted there at the first start. */
export function tokenSeed(home: string): Promise<string> {
  return keptSeed(join(home, 'token.seed'), 'Tokens of running sandboxes stop working.')
}

/** What sessions and links are signed with: `<home>/accounts.seed`, minted at the first start. */
export function accountsSeed(home: string): Promise<string> {
  return keptSeed(join(home, 'accounts.seed'), 'Everybody has to sign in again.')
}

async function keptSeed(path: string, consequence: string): Promise<string> {
  const seed = await keptSecret(path, () => randomBytes(32).toString('hex'))
  if (/^[0-9a-f]{64}$/.test(seed)) return seed
  throw new WarrenError('internal', `${path} does not hold a seed (64 lowercase hex digits)`, {
    hint: `Delete the file and start again: a new one is minted. ${consequence}`,
  })
}
