import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import { isDuplicate } from './is-duplicate.ts'
import { provePerson } from './login.ts'
import { hashPassword } from './password.ts'
import type { Tokens } from './sessions.ts'
import type { SignInDeps } from './sign-in.ts'
import { type Client, checkPassword } from './user.ts'
import type { UserRow } from './users.ts'

export interface Join {
  /** Of the link. */
  token: string
  password: string
  /** Of who is new here. */
  name?: string | undefined
  /** Of the second factor of who is not. */
  code?: string | undefined
}

/**
 * Takes up a link and signs its person in. An invitation makes who is new a user with that password; who is not proves it with the
 * one they have. The other kind sets a new password and ends every session. Of two at once one throws, and changes nothing.
 */
export async function join(deps: SignInDeps, input: Join, client: Client): Promise<Tokens> {
  const link = await deps.links.read(input.token)
  const known = await deps.users.findByEmail(link.email)
  const user =
    link.kind === 'password'
      ? await withNewPassword(deps, { id: link.id, user: known, password: input.password })
      : known
        ? await joined(deps, link, await proven(deps, known, { input, client }))
        : await newMember(deps, link, input)
  const tokens = await deps.sessions.begin(user.id, 'password', client)
  const action = link.kind === 'password' ? 'user.reset_password' : 'user.join'
  await deps.tell({ userId: user.id, action, outcome: 'done', client })
  return tokens
}

interface Invitation {
  id: string
  email: string
  accountId: string
  role: Parameters<SignInDeps['members']['add']>[1]['role']
}

/** The one who made the invitation has its token too: it must not be enough to become somebody who is there already. */
async function proven(deps: SignInDeps, user: UserRow, given: { input: Join; client: Client }): Promise<UserRow> {
  if (user.password === null) {
    throw new WarrenError('conflict', `${user.email} signs in by single sign-on and has no password to prove it with`, {
      hint: 'The operator can make a link that sets one.',
    })
  }
  const { password, code } = given.input
  return provePerson(deps, { email: user.email, password, code }, given.client)
}

async function joined({ db, links, members }: SignInDeps, invitation: Invitation, user: UserRow): Promise<UserRow> {
  const { id, accountId, role } = invitation
  await step('user.join', user.id, () =>
    db.transaction(async (tx) => {
      await links.use(tx, id)
      await members.add(tx, { accountId, userId: user.id, role })
    }),
  )
  return user
}

async function newMember(
  { db, links, members, users }: SignInDeps,
  invitation: Invitation,
  input: Join,
): Promise<UserRow> {
  const { id, email, accountId, role } = invitation
  const name = input.name ?? email.split('@')[0]!
  checkPassword(input.password, { email, name })
  const password = await hashPassword(input.password)
  return step('user.join', email, () =>
    db.transaction(async (tx) => {
      await links.use(tx, id)
      const user = await users.create(tx, { email, name, password })
      await members.add(tx, { accountId, userId: user.id, role })
      return user
    }),
  ).catch((cause) => {
    if (!isDuplicate(cause)) throw cause
    throw new WarrenError('conflict', `${email} has taken up another invitation just now`, {
      hint: 'Take up this one with the password that was chosen there.',
      cause,
    })
  })
}

async function withNewPassword(
  { db, links, sessions }: SignInDeps,
  { id, user, password }: { id: string; user: UserRow | undefined; password: string },
): Promise<UserRow> {
  if (!user) throw new WarrenError('unauthenticated', 'the person of the link is not there any more')
  checkPassword(password, user)
  const hash = await hashPassword(password)
  await step('user.reset_password', user.id, () =>
    db.transaction(async (tx) => {
      await links.use(tx, id)
      await tx.updateTable('users').set({ password: hash }).where('id', '=', user.id).execute()
    }),
  )
  await sessions.endAll(user.id, 'the password was reset')
  return user
}
