import type { Transport } from './transport.ts'

/** What is known of a secret; its value is never shown. Times are ISO 8601. */
export interface SecretInfo {
  id: string
  /** Lower case. */
  name: string
  /** One more with each new value. */
  version: number
  /** Where it may go on its way out of a sandbox. */
  hosts: string[]
  metadata: Record<string, string>
  createdAt: string
  updatedAt: string
}

export interface SecretOptions {
  hosts?: string[] | undefined
  metadata?: Record<string, string> | undefined
}

/** The secrets of an account: values that go in and do not come out. */
export class Secrets {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Throws `conflict` when there is one of that name. */
  create(name: string, value: string, options: SecretOptions = {}): Promise<SecretInfo> {
    return this.#transport.json('POST', '/v1/secrets', { json: { name, value, ...options } })
  }

  /** By id or name. Throws `not_found` when there is none. */
  get(secret: string): Promise<SecretInfo> {
    return this.#transport.json('GET', pathOf(secret))
  }

  /** Newest first. */
  async list(): Promise<SecretInfo[]> {
    return (await this.#transport.json<{ secrets: SecretInfo[] }>('GET', '/v1/secrets')).secrets
  }

  /** What is left out stays. A new value is used at once wherever the secret is. */
  update(secret: string, change: SecretOptions & { value?: string | undefined }): Promise<SecretInfo> {
    return this.#transport.json('PUT', pathOf(secret), { json: change })
  }

  /** What would have used it is refused from now on. */
  delete(secret: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(secret))
  }
}

function pathOf(secret: string): string {
  return `/v1/secrets/${encodeURIComponent(secret)}`
}
