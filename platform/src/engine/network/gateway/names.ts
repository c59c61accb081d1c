import { Resolver } from 'node:dns/promises'
import { parseAddress } from '../addresses.ts'

export interface Found {
  address: number
  ttl: number
}

const timeoutMs = 2000
/** An answer is believed so long at most, and a failure this long, seconds. */
const mostTtl = 3600
const mostKept = 10_000

/** Asks the host's resolvers. What was found is kept as long as it says. */
export class Names {
  readonly #kept = new Map<string, { until: number; found: Promise<Found[]> }>()
  #resolver = new Resolver({ timeout: timeoutMs, tries: 2 })

  /** With none, those of the host. */
  useServers(servers: readonly string[]): void {
    this.#resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
    if (servers.length > 0) this.#resolver.setServers([...servers])
    this.#kept.clear()
  }

  /** IPv4 addresses of `name`. Rejects as the resolver does. */
  addressesOf(name: string): Promise<Found[]> {
    const now = Date.now()
    const kept = this.#kept.get(name)
    if (kept && kept.until > now) return kept.found
    const entry = { until: Number.POSITIVE_INFINITY, found: this.#ask(name) }
    this.#kept.set(name, entry)
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!)
    entry.found.then(
      (found) => {
        entry.until = Date.now() + Math.min(mostTtl, ...found.map(({ ttl }) => ttl)) * 1000
      },
      () => this.#kept.delete(name),
    )
    return entry.found
  }

  /** Answers of another kind, as node:dns gives them. */
  ask(name: string, type: string): Promise<unknown[]> {
    return this.#resolver.resolve(name, type) as Promise<unknown[]>
  }

  async #ask(name: string): Promise<Found[]> {
    const answers = await this.#resolver.resolve4(name, { ttl: true })
    return answers.flatMap(({ address, ttl }) => {
      const parsed = parseAddress(address)
      return parsed === undefined ? [] : [{ address: parsed, ttl: Math.min(ttl, mostTtl) }]
    })
  }
}
