import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WarrenError } from '../errors.ts'
import { keptSecret } from '../lib/kept-secret.ts'

const form = /^e2b_[0-9a-f]{40}$/

/**
 * The admin key of this installation: read from `<home>/admin.key`, minted there (mode 0600) at the first start.
 * Several starts at once agree on one key. Throws `internal` when the file holds something else.
 */
export async function adminKey(home: string): Promise<string> {
  const path = join(home, 'admin.key')
  const key = await keptSecret(path, () => `e2b_${randomBytes(20).toString('hex')}`)
  if (form.test(key)) return key
  throw new WarrenError('internal', `${path} does not hold a key (e2b_ and 40 lowercase hex digits)`, {
    hint: 'Delete the file and start again: a new key is minted. The old one stops working.',
  })
}
