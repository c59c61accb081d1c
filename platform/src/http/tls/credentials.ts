import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, rootCertificates } from 'node:tls'
import { WarrenError } from '../../errors.ts'
import { type Certified, mintCertificate } from '../../lib/certificate.ts'
import { keepText, keptAuthority } from '../../lib/kept-authority.ts'

/** What the server shows of itself. */
export interface TlsCredentials {
  /** What to show from now on. */
  current(): Promise<Certified>
  /** What clients have to trust, where the certificate is ours: our authority alone, and with it all that are trusted anyway. */
  trust?: { authority: string; bundle: string }
}

const days = 90

/** From the two files, whenever they are asked for; throws when they do not fit together. */
export function givenCredentials(files: { certificate: string; key: string }): TlsCredentials {
  return {
    current: async () => {
      try {
        const [certificate, key] = await Promise.all(
          [files.certificate, files.key].map((path) => readFile(path, 'utf8')),
        )
        const given = { certificate: certificate!, key: key! }
        // An empty file, half written, would pass for one that says nothing.
        if (!new X509Certificate(given.certificate).checkPrivateKey(createPrivateKey(given.key)))
          throw new Error('the key is of another certificate')
        createSecureContext({ cert: given.certificate, key: given.key })
        return given
      } catch (cause) {
        throw new WarrenError(
          'invalid_request',
          `WARREN_TLS_CERT ${files.certificate} and WARREN_TLS_KEY ${files.key} are no certificate and its key in PEM: ${(cause as Error).message}`,
          { cause },
        )
      }
    },
  }
}

/**
 * Minted by an authority of this installation that is good for `domain` alone. It is kept below `<home>/tls`, what it
 * signs is minted anew at each start and long before it ends.
 */
export async function ownCredentials(home: string, domain: string): Promise<TlsCredentials> {
  const path = join(home, 'tls', domain)
  const authority = await keptAuthority(path, { name: `Warren for ${domain}`.slice(0, 64), within: domain })
  if (!new X509Certificate(authority.certificate).ca)
    throw new WarrenError('internal', `${path}.key holds no authority`)
  const trust = { authority: `${path}.pem`, bundle: `${path}.bundle.pem` }
  await keepText(trust.bundle, [...rootCertificates, authority.certificate].map((one) => `${one.trim()}\n`).join(''))
  let minted = mint()
  let mintedAt = Date.now()
  return {
    trust,
    current: async () => {
      if (Date.now() - mintedAt > (days * 86_400_000) / 3) {
        minted = mint()
        mintedAt = Date.now()
      }
      return minted
    },
  }

  function mint(): Certified {
    const leaf = mintCertificate(authority, { names: [domain, `*.${domain}`], days, now: new Date() })
    return { ...leaf, certificate: leaf.certificate + authority.certificate }
  }
}
