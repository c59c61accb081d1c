import type { Role } from './auth.ts'
import type { Transport } from './transport.ts'

/** A key of the organisation. Times are ISO 8601. */
export interface KeyInfo {
  id: string
  name: string
  kind: 'key' | 'token'
  /** How it begins and ends. */
  masked: string
  role: Role
  /** What it is narrowed to; absent: all that its role may. */
  scopes?: string[]
  serviceAccountId?: string
  createdBy?: string
  createdAt: string
  expiresAt?: string
  lastUsedAt?: string
  /** Itself. Told when it is made, and not again. */
  key?: string
}

export interface CreateKeyOptions {
  /** Default: developer. */
  role?: Role | undefined
  scopes?: string[] | undefined
  expiresInSeconds?: number | undefined
  /** Whose key it is, by id or name; the role is then theirs. */
  serviceAccount?: string | undefined
}

export interface ServiceAccountInfo {
  id: string
  name: string
  role: Role
  createdBy: string
  createdAt: string
}

/** What programs come in with. */
export class Keys {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  create(name: string, options: CreateKeyOptions = {}): Promise<KeyInfo & { key: string }> {
    return this.#transport.json('POST', '/v1/keys', { json: { name, ...options } })
  }

  /** Oldest first. */
  async list(): Promise<KeyInfo[]> {
    return (await this.#transport.json<{ keys: KeyInfo[] }>('GET', '/v1/keys')).keys
  }

  /** Within a second it is good nowhere. */
  revoke(id: string): Promise<void> {
    return this.#transport.done('DELETE', `/v1/keys/${encodeURIComponent(id)}`)
  }

  createServiceAccount(name: string, role: Role): Promise<ServiceAccountInfo> {
    return this.#transport.json('POST', '/v1/service-accounts', { json: { name, role } })
  }

  async serviceAccounts(): Promise<ServiceAccountInfo[]> {
    const path = '/v1/service-accounts'
    return (await this.#transport.json<{ serviceAccounts: ServiceAccountInfo[] }>('GET', path)).serviceAccounts
  }

  /** By id or name; its keys go with it. */
  removeServiceAccount(serviceAccount: string): Promise<void> {
    return this.#transport.done('DELETE', `/v1/service-accounts/${encodeURIComponent(serviceAccount)}`)
  }
}
