import { WarrenError } from '../errors.ts'
import { attempt } from './login.ts'
import type { SignInDeps } from './sign-in.ts'
import type { Client } from './user.ts'

/** For who shows a code of it. Each try counts as one to sign in does, or whoever has a session could try all codes there are. */
export async function removeSecondFactor(
  deps: SignInDeps,
  { userId, code }: { userId: string; code: string },
  client: Client,
): Promise<void> {
  const user = await deps.users.get(userId)
  if (!user.totp_since) throw new WarrenError('conflict', 'there is no second factor')
  const takeBack = attempt(deps, user.email, client)
  await deps.secondFactor.check(user, code)
  takeBack()
  await deps.secondFactor.remove(user.id)
}
