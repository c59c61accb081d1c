import { provePerson } from './login.ts'
import { hashPassword } from './password.ts'
import type { SignInDeps } from './sign-in.ts'
import { type Client, checkPassword } from './user.ts'

/** Sets another password for who knows the present one. Every other session ends. */
export async function changePassword(
  deps: SignInDeps,
  { userId, sessionId }: { userId: string; sessionId: string },
  { current, next, client, code }: { current: string; next: string; code?: string | undefined; client: Client },
): Promise<void> {
  const user = await deps.users.get(userId)
  checkPassword(next, user)
  await provePerson(deps, { email: user.email, password: current, code }, client)
  await deps.users.setPassword(userId, await hashPassword(next))
  await deps.sessions.endAll(userId, 'the password was changed', sessionId)
  await deps.tell({ userId, action: 'user.change_password', outcome: 'done', client })
}
