import { WarrenError } from './error.ts'
import type { Transport } from './transport.ts'

export interface Port {
  port: number
  address: string
  url: string
}

const pollMs = 100

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

  async list(options: { signal?: AbortSignal | undefined } = {}): Promise<Port[]> {
    return (await this.#transport.json<{ ports: Port[] }>('GET', this.#path, options)).ports
  }

  /** Waits until something inside listens on `port`. Throws `timeout` if nothing does within `timeoutMs`, 30 s unless said. */
  async waitFor(
    port: number,
    { timeoutMs = 30_000, signal }: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Port> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = (await this.list({ signal })).find((listed) => listed.port === port)
      if (found) return found
      if (Date.now() >= deadline) {
        throw new WarrenError('timeout', `nothing in the sandbox listens on port ${port} after ${timeoutMs} ms`, {
          hint: 'Look at what its program printed: sandbox.logs()',
        })
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }
}
