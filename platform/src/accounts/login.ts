import { WarrenError } from '../errors.ts'
import { subscriberOf } from '../lib/subscriber-of.ts'
import { isPassword } from './password.ts'
import type { Tokens } from './sessions.ts'
import type { SignInDeps } from './sign-in.ts'
import { type Client, emailOf } from './user.ts'
import type { UserRow } from './users.ts'

export interface Login {
  email: string
  password: string
  /** Of the second factor. */
  code?: string | undefined
}

/** Signs a person in. Throws `unauthenticated`, which says no more than that, and `limit_exceeded` after too many failures. */
export async function login(deps: SignInDeps, input: Login, client: Client): Promise<Tokens> {
  const user = await provePerson(deps, input, client)
  const tokens = await deps.sessions.begin(user.id, 'password', client)
  await deps.tell({ userId: user.id, action: 'user.login', outcome: 'done', client })
  return tokens
}

/** Whoever knows the password and has the second factor. Each try counts, by address and by name, until it turns out well. */
export async function provePerson(
  deps: SignInDeps,
  { email, password, code }: Login,
  client: Client,
): Promise<UserRow> {
  const takeBack = attempt(deps, email, client)
  const user = await deps.users.findByEmail(email)
  const refuse = async (error: WarrenError) => {
    if (user) await deps.tell({ userId: user.id, action: 'user.login', outcome: 'refused', client })
    return error
  }
  if (!(await isPassword(password, user?.password)) || !user)
    throw await refuse(new WarrenError('unauthenticated', 'the address or the password is wrong'))
  if (user.totp_since && code === undefined) {
    takeBack()
    throw new WarrenError('unauthenticated', 'a code of the second factor is needed', {
      details: { secondFactor: 'totp' },
    })
  }
  if (user.totp_since)
    await deps.secondFactor.check(user, code!).catch(async (error) => {
      throw await refuse(error)
    })
  takeBack()
  return user
}

/** One more try of somebody to be who has that address of mail. Answers with what takes it back, for one that turned out well. */
export function attempt({ attempts }: SignInDeps, email: string, { address }: Client): () => void {
  const takeBack = [attempts.address.take(subscriberOf(address)), attempts.name.take(emailOf(email))]
  return () => {
    for (const take of takeBack) take()
  }
}
