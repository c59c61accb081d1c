import type { Account } from '../accounts/account.ts'
import { WarrenError } from '../errors.ts'
import type { Sandbox } from './sandbox.ts'
import type { SandboxDeps } from './sandboxes.ts'

/** One sandbox of `account`. Throws `not_found` when there is none of this id, it has ended, or it is another's. */
export async function getSandbox({ store }: SandboxDeps, account: Pick<Account, 'id'>, id: string): Promise<Sandbox> {
  const sandbox = await store.find(account.id, id)
  if (!sandbox) throw noSandbox(id)
  return sandbox
}

export function noSandbox(id: string): WarrenError {
  return new WarrenError('not_found', `there is no sandbox "${id.slice(0, 64)}"`, {
    hint: 'It may have been deleted or its time may be over.',
    details: { resource: 'sandbox' },
  })
}
