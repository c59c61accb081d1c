import type { Transport } from './transport.ts'

export interface Port {
  port: number
  address: string
  url: string
}

/** What listens inside a sandbox, reached through the server. Its loopback works too. Every request needs the key. */
export class Ports {
  readonly #transport: Transport
  readonly #path: string
  readonly #urlTemplate: string

  constructor(transport: Transport, sandboxPath: string, urlTemplate: string) {
    this.#transport = transport
    this.#path = `${sandboxPath}/ports`
    this.#urlTemplate = urlTemplate
  }

  /** The address of a port with a host name of its own, so that absolute paths in pages work. */
  url(port: number): string {
    return this.#urlTemplate.replace('{port}', String(port))
  }

  /** A request to what listens on `port`. Any answer of it is an answer, also a 404 or a 500. */
  fetch(port: number, path = '/', init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    for (const [name, value] of Object.entries(this.#transport.authorization())) headers.set(name, value)
    return this.#transport.fetch(this.#transport.url(`${this.#path}/${port}/${path.replace(/^\//, '')}`), {
      ...init,
      headers,
    })
  }

  async list(): Promise<Port[]> {
    return (await this.#transport.json<{ ports: Port[] }>('GET', this.#path)).ports
  }
}
