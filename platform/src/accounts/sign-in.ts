import type { Database } from '../storage/database.ts'
import type { Attempts } from './attempts.ts'
import type { Links } from './links.ts'
import type { Members } from './members.ts'
import type { SecondFactor } from './second-factor.ts'
import type { Sessions } from './sessions.ts'
import type { Client } from './user.ts'
import type { Users } from './users.ts'

/** What somebody did to sign in or to their own account, for the audit log of each organisation they are in. */
export interface SignInTold {
  userId: string
  action: string
  outcome: 'done' | 'refused'
  client: Client
}

/** What the ways to sign in stand on. */
export interface SignInDeps {
  db: Database
  users: Users
  members: Members
  links: Links
  sessions: Sessions
  secondFactor: SecondFactor
  attempts: { address: Attempts; name: Attempts }
  tell: (told: SignInTold) => Promise<void>
}
