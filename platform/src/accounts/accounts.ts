import type { Config } from '../config.ts'
import type { Seal } from '../lib/seal.ts'
import type { Database } from '../storage/database.ts'
import { Attempts } from './attempts.ts'
import { authenticator } from './authenticate.ts'
import { changePassword } from './change-password.ts'
import { type Join, join } from './join.ts'
import { Keys } from './keys.ts'
import { Links } from './links.ts'
import { type Login, login } from './login.ts'
import { Members } from './members.ts'
import { Organisations } from './organisations.ts'
import { Reauthorization } from './reauthorization.ts'
import { removeSecondFactor } from './remove-second-factor.ts'
import { SecondFactor } from './second-factor.ts'
import { ServiceAccounts } from './service-accounts.ts'
import { Sessions } from './sessions.ts'
import type { SignInDeps, SignInTold } from './sign-in.ts'
import { Signer } from './signer.ts'
import { SingleSignOn } from './single-sign-on.ts'
import type { Client } from './user.ts'
import { Users } from './users.ts'

interface AccountsOptions {
  db: Database
  now: () => Date
  config: Pick<Config, 'maxSandboxes' | 'oidc' | 'corsOrigins'>
  adminKey: string
  /** What sessions and links are signed with, and second factors sealed. */
  seed: string
  /** Closes the secrets of second factors. */
  seal: Seal
  /** Where people reach the platform. */
  publicUrl: () => string
  /** Takes what people did to sign in, for the organisation `accountId`. */
  tell: (accountId: string, told: SignInTold) => void
}

/** Everything about who may do what. */
export function createAccounts({ db, now, config, adminKey, seed, seal, publicUrl, tell }: AccountsOptions) {
  const signer = new Signer({ seed, now })
  const organisations = new Organisations({ db, now, maxSandboxes: config.maxSandboxes })
  const reauthorization = new Reauthorization({ db, now })
  const tookAway = () => reauthorization.now()
  const keys = new Keys({ db, now, tookAway })
  const users = new Users({ db, now })
  const members = new Members({ db, now, tookAway })
  const links = new Links({ db, now, signer })
  const sessions = new Sessions({ db, now, signer, tookAway })
  const secondFactor = new SecondFactor({ db, now, seal })
  const deps: SignInDeps = {
    ...{ db, users, members, links, sessions, secondFactor },
    attempts: {
      // An address may be that of a whole office.
      address: new Attempts({ most: 100, everyMs: 10_000, now }),
      name: new Attempts({ most: 10, everyMs: 60_000, now }),
    },
    tell: async (told) => {
      for (const { accountId } of await members.of(told.userId)) tell(accountId, told)
    },
  }
  const redirectUri = () => `${publicUrl()}/v1/auth/sso/callback`
  const origins = () => [publicUrl(), ...config.corsOrigins]
  const singleSignOn = config.oidc && new SingleSignOn({ ...deps, now, config: config.oidc, redirectUri, origins })
  return {
    organisations,
    keys,
    users,
    members,
    links,
    sessions,
    secondFactor,
    serviceAccounts: new ServiceAccounts({ db, now, keys }),
    singleSignOn,
    reauthorization,
    publicUrl,
    authenticate: authenticator({ adminKey, organisations, keys, sessions, now }),
    login: (input: Login, client: Client) => login(deps, input, client),
    join: (input: Join, client: Client) => join(deps, input, client),
    changePassword: (
      who: { userId: string; sessionId: string },
      input: { current: string; next: string; code?: string | undefined },
      client: Client,
    ) => changePassword(deps, who, { ...input, client }),
    removeSecondFactor: (who: { userId: string; code: string }, client: Client) =>
      removeSecondFactor(deps, who, client),
    /** For the audit log of each organisation that the person is in. */
    tell: deps.tell,
    /** Deletes at most `most` of what was over before that time. */
    forget: async (before: Date, most: number): Promise<number> =>
      (await sessions.forget(before, most)) + ((await singleSignOn?.forget(before, most)) ?? 0),
  }
}

export type Accounts = ReturnType<typeof createAccounts>
