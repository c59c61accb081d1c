import { createHash, randomBytes } from 'node:crypto'
import type { Config } from '../config.ts'
import { WarrenError } from '../errors.ts'
import { equalText } from '../lib/equal-text.ts'
import { step } from '../lib/step.ts'
import { isDuplicate } from './is-duplicate.ts'
import { operatorsId } from './organisations.ts'
import type { Tokens } from './sessions.ts'
import type { SignInDeps } from './sign-in.ts'
import { type Client, emailOf } from './user.ts'

type Provider = import('openid-client').Configuration

/** So long may it take to sign in at the provider, and then to take the session, milliseconds. */
const loginMs = 10 * 60_000

interface Deps extends SignInDeps {
  now: () => Date
  config: NonNullable<Config['oidc']>
  /** Where the provider sends people back to. */
  redirectUri: () => string
  /** Origins that people may be sent on to, beside this machine of theirs. */
  origins: () => readonly string[]
}

/**
 * Signing in at a provider (OpenID Connect, code flow with PKCE, state and nonce). The client begins with a challenge of its own,
 * and only who has its verifier gets the session at the end: what stands in addresses on the way is worth nothing.
 */
export class SingleSignOn {
  readonly #deps: Deps
  #provider: Promise<Provider> | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Where the person has to go. Throws `invalid_request` for a place to return to that is not theirs or ours. */
  async begin({ returnTo, challenge }: { returnTo: string; challenge: string }): Promise<string> {
    const { db, now } = this.#deps
    this.#checkReturn(returnTo)
    const oidc = await import('openid-client')
    const provider = await this.#discovered()
    const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()]
    const row = { state: hashOf(state), nonce, verifier, client_challenge: challenge, return_to: returnTo }
    const lasting = { expires_at: new Date(now().getTime() + loginMs), code: null, user_id: null }
    const insertion = db.kysely.insertInto('oidc_logins').values({ ...row, ...lasting })
    await step('oidc.begin', row.state.slice(0, 12), () => insertion.execute())
    const parameters = {
      redirect_uri: this.#deps.redirectUri(),
      scope: 'openid email profile',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    }
    return oidc.buildAuthorizationUrl(provider, parameters).href
  }

  /** Takes what the provider says of the person who comes back; answers where they go on to. Each state is good once. */
  async comeBack(query: string): Promise<string> {
    const { db, now } = this.#deps
    const state = new URLSearchParams(query).get('state') ?? ''
    const code = randomBytes(32).toString('base64url')
    const claim = db.kysely
      .updateTable('oidc_logins')
      .set({ code: hashOf(code) })
      .where('state', '=', hashOf(state))
      .where('code', 'is', null)
      .where('expires_at', '>', now())
      .returningAll()
    const login = await step('oidc.claim', hashOf(state).slice(0, 12), () => claim.executeTakeFirst())
    if (!login) throw refused('this sign-in was not begun here, has taken too long, or was finished before')
    const userId = await this.#personOf(query, { state, nonce: login.nonce, verifier: login.verifier })
    const update = db.kysely.updateTable('oidc_logins').set({ user_id: userId }).where('state', '=', login.state)
    await step('oidc.known', userId, () => update.execute())
    const target = new URL(login.return_to)
    target.searchParams.set('code', code)
    return target.href
  }

  /** The session, for who began with the challenge of `verifier`. */
  async finish({ code, verifier }: { code: string; verifier: string }, client: Client): Promise<Tokens> {
    const { db, now, sessions, tell } = this.#deps
    const deletion = db.kysely.deleteFrom('oidc_logins').where('code', '=', hashOf(code)).returningAll()
    const login = await step('oidc.finish', hashOf(code).slice(0, 12), () => deletion.executeTakeFirst())
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    const fits = login && equalText(challenge, login.client_challenge)
    if (!fits || !login.user_id || login.expires_at <= now()) throw refused('the code or its verifier is not good')
    const tokens = await sessions.begin(login.user_id, 'oidc', client)
    await tell({ userId: login.user_id, action: 'user.login', outcome: 'done', client })
    return tokens
  }

  /** Deletes at most `most` sign-ins that were left in the middle before that time. */
  async forget(before: Date, most: number): Promise<number> {
    const { kysely } = this.#deps.db
    const old = kysely.selectFrom('oidc_logins').select('state').where('expires_at', '<', before).limit(most)
    const deletion = kysely.deleteFrom('oidc_logins').where('state', 'in', old)
    return Number((await step('oidc.forget', 'oldest', () => deletion.executeTakeFirst())).numDeletedRows)
  }

  #checkReturn(returnTo: string): void {
    const url = URL.canParse(returnTo) ? new URL(returnTo) : undefined
    const isTheirs = url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
    if (isTheirs || (url && this.#deps.origins().includes(url.origin))) return
    throw new WarrenError(
      'invalid_request',
      'people can only return to their own machine, to this platform, and to origins of WARREN_CORS_ORIGINS',
    )
  }

  async #personOf(query: string, { state, nonce, verifier }: Record<'state' | 'nonce' | 'verifier', string>) {
    const oidc = await import('openid-client')
    const provider = await this.#discovered()
    const url = new URL(`${this.#deps.redirectUri()}?${query}`)
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
    const tokens = await oidc.authorizationCodeGrant(provider, url, checks).catch((cause) => {
      throw refused('the provider did not vouch for you', cause)
    })
    const claims = tokens.claims()!
    const about = claims.email
      ? claims
      : await oidc.fetchUserInfo(provider, tokens.access_token, claims.sub).catch((cause) => {
          throw refused('the provider did not say who you are', cause)
        })
    const verified = about.email_verified === true && typeof about.email === 'string' ? about.email : undefined
    const name = typeof about.name === 'string' ? about.name.slice(0, 128) : undefined
    return this.#userOf({ issuer: claims.iss, subject: claims.sub, email: verified, name })
  }

  /** Of two first times at once the second finds what the first one made. */
  #userOf(about: Vouched): Promise<string> {
    return this.#linked(about).catch((cause) => {
      if (!isDuplicate(cause)) throw cause
      return this.#linked(about)
    })
  }

  /** Known by the name that the provider gives, which never changes; the first time by an address that it has verified. */
  async #linked(about: Vouched): Promise<string> {
    const { db, users, members, config, now } = this.#deps
    const { issuer, subject } = about
    const query = db.kysely.selectFrom('identities').select('user_id').where('issuer', '=', issuer)
    const identity = await query.where('subject', '=', subject).executeTakeFirst()
    if (identity) return identity.user_id
    if (!about.email) throw refused('the provider has not verified your address')
    const email = emailOf(about.email)
    const known = await users.findByEmail(email)
    const isTaken = config.domains.includes(email.split('@').at(-1)!)
    if (!known && !isTaken)
      throw refused(`nobody is known by ${email} here, and its domain is not one whose people are taken`)
    return step('oidc.link', subject, () =>
      db.transaction(async (tx) => {
        const name = about.name ?? email.split('@')[0]!
        const user = known ?? (await users.create(tx, { email, name, password: null }))
        if (!known) await members.add(tx, { accountId: operatorsId, userId: user.id, role: config.role })
        await tx.insertInto('identities').values({ issuer, subject, user_id: user.id, created_at: now() }).execute()
        return user.id
      }),
    )
  }

  /** What the provider says of itself; asked for at the first use, and again after a failure. */
  #discovered(): Promise<Provider> {
    const { issuer, clientId, clientSecret } = this.#deps.config
    this.#provider ??= import('openid-client')
      .then((oidc) => {
        const inClear = issuer.startsWith('http://') ? { execute: [oidc.allowInsecureRequests] } : {}
        return oidc.discovery(new URL(issuer), clientId, clientSecret, undefined, inClear)
      })
      .catch((cause) => {
        this.#provider = undefined
        throw new WarrenError('unavailable', `the provider of single sign-on does not answer at ${issuer}`, { cause })
      })
    return this.#provider
  }
}

/** What a provider says of a person; the address only if it has verified it. */
interface Vouched {
  issuer: string
  subject: string
  email: string | undefined
  name: string | undefined
}

function refused(message: string, cause?: unknown): WarrenError {
  return new WarrenError('unauthenticated', message, { hint: 'Sign in again from the beginning.', cause })
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
