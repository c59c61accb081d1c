import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import { type Certified, mintCertificate } from '../../../lib/certificate.ts'

const days = 7
/** One is used for a part of the time that it holds, milliseconds. */
const usedMs = (days - 2) * 86_400_000
const mostKept = 2000

/** Shows sandboxes a certificate for a host whose requests are looked into, and says whom to trust outside. */
export class Certificates {
  /** What servers are checked against. */
  trusted: readonly string[] = rootCertificates
  #authority: Certified | undefined
  readonly #kept = new Map<string, { context: SecureContext; until: number }>()

  use(authority: Certified, more: string): void {
    this.trusted = more === '' ? rootCertificates : [...rootCertificates, more]
    if (this.#authority?.certificate !== authority.certificate) this.#kept.clear()
    this.#authority = authority
  }

  /** A certificate for `name`, signed by the authority of this installation. */
  contextFor(name: string, now = new Date()): SecureContext {
    const kept = this.#kept.get(name)
    if (kept && kept.until > now.getTime()) return kept.context
    if (!this.#authority) throw new Error('there is no authority yet')
    const { certificate, key } = mintCertificate(this.#authority, { names: [name], days, now })
    const context = createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' })
    this.#kept.set(name, { context, until: now.getTime() + usedMs })
    if (this.#kept.size > mostKept) this.#kept.delete(this.#kept.keys().next().value!)
    return context
  }
}
