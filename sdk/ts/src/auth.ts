import type { Transport } from './transport.ts'

/** What a client has when somebody is signed in. `expiresAt` is ISO 8601, and that of the access token. */
export interface SignedIn {
  /** Taken where a key is. */
  accessToken: string
  expiresAt: string
  /** Good for one refresh. One that is used twice ends the session. */
  refreshToken: string
  userId: string
  sessionId: string
}

/** Somewhere you are signed in. */
export interface SessionInfo {
  id: string
  method: 'password' | 'oidc'
  address: string
  agent: string
  createdAt: string
  lastUsedAt: string
  expiresAt: string
  current: boolean
}

export type Role = 'owner' | 'admin' | 'developer' | 'billing' | 'viewer'

/** Who calls, for which organisation, and what they may do. */
export interface Me {
  kind: 'admin' | 'key' | 'user' | 'service'
  id: string
  organisation: { id: string; name: string }
  role: Role | 'operator'
  permissions: string[]
  user?: { email: string; name: string; hasPassword: boolean; hasSecondFactor: boolean; createdAt: string }
}

/** Signing in and out, and what people can do with their own account. */
export class Auth {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Throws `unauthenticated`; with `details.secondFactor` where a `code` is needed, or was wrong. */
  login(login: { email: string; password: string; code?: string | undefined }): Promise<SignedIn> {
    return this.#transport.json('POST', '/v1/auth/login', { json: login })
  }

  /** Takes up an invitation, or sets a new password, with the token of a link: what stands behind its `#`. */
  join(join: {
    token: string
    password: string
    name?: string | undefined
    code?: string | undefined
  }): Promise<SignedIn> {
    return this.#transport.json('POST', '/v1/auth/join', { json: join })
  }

  refresh(refreshToken: string): Promise<SignedIn> {
    return this.#transport.json('POST', '/v1/auth/refresh', { json: { refreshToken } })
  }

  /** Where a browser begins to sign in at a provider; `challenge` is the SHA-256 of a secret, in base64url. */
  singleSignOnUrl(begin: { returnTo: string; challenge: string }): string {
    return this.#transport.url('/v1/auth/sso/begin', begin)
  }

  /** The session, for the `code` that the browser came back with and the secret of the challenge. */
  finishSingleSignOn(finish: { code: string; verifier: string }): Promise<SignedIn> {
    return this.#transport.json('POST', '/v1/auth/sso/finish', { json: finish })
  }

  logout(): Promise<void> {
    return this.#transport.done('POST', '/v1/auth/logout')
  }

  me(): Promise<Me> {
    return this.#transport.json('GET', '/v1/users/me')
  }

  async sessions(): Promise<SessionInfo[]> {
    return (await this.#transport.json<{ sessions: SessionInfo[] }>('GET', '/v1/auth/sessions')).sessions
  }

  endSession(id: string): Promise<void> {
    return this.#transport.done('DELETE', `/v1/auth/sessions/${encodeURIComponent(id)}`)
  }

  /** Every other session ends. */
  changePassword(change: { current: string; next: string; code?: string | undefined }): Promise<void> {
    return this.#transport.done('POST', '/v1/users/me/password', { json: change })
  }

  /** A secret for an authenticator. It counts once a code of it was shown. */
  prepareSecondFactor(): Promise<{ secret: string; uri: string }> {
    return this.#transport.json('POST', '/v1/users/me/totp')
  }

  /** Answers with codes for the day on which the authenticator is lost. They are told this once. */
  async confirmSecondFactor(code: string): Promise<string[]> {
    const path = '/v1/users/me/totp/confirm'
    return (await this.#transport.json<{ recoveryCodes: string[] }>('POST', path, { json: { code } })).recoveryCodes
  }

  removeSecondFactor(code: string): Promise<void> {
    return this.#transport.done('POST', '/v1/users/me/totp/remove', { json: { code } })
  }

  /** For the operator: a link by which somebody can set a new password. */
  createPasswordLink(email: string): Promise<{ link: string; expiresAt: string }> {
    return this.#transport.json('POST', '/v1/users/password-links', { json: { email } })
  }
}
