import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { keptSecret } from '../lib/kept-secret.ts'

/** What the tokens of sandboxes are made from: read from `<home>/token.seed`, minted there at the first start. */
export async function tokenSeed(home: string): Promise<string> {
  const path = join(home, 'token.seed')
  const seed = await keptSecret(path, () => randomBytes(32).toString('hex'))
  if (/^[0-9a-f]{64}$/.test(seed)) return seed
  throw new WarrenError('internal', `${path} does not hold a seed (64 lowercase hex digits)`, {
    hint: 'Delete the file and start again: a new one is minted. Tokens of running sandboxes stop working.',
  })
}
