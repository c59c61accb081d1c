import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { bits, der, identifier, integer, octets, sequence, set, time, utf8, yes } from './der.ts'

/** A certificate and its key, both as PEM. */
export interface Certified {
  certificate: string
  key: string
}

const day = 86_400_000
const curve = 'prime256v1'
const ecdsaWithSha256 = sequence(identifier('1.2.840.10045.4.3.2'))

/**
 * A new authority with a name. With `within`, what it signs holds for that domain and what is below it, and for no address:
 * who trusts it has nothing to fear for other names.
 */
export function mintAuthority(name: string, { within, now }: { within?: string; now: Date }): Certified {
  const pair = generateKeyPairSync('ec', { namedCurve: curve })
  const subject = nameOf(name)
  return minted({
    pair,
    subject,
    issuer: { name: subject, key: pair.privateKey },
    from: now,
    until: new Date(now.getTime() + 3650 * day),
    extensions: [
      extension('2.5.29.19', sequence(yes, integer(Buffer.from([0]))), { critical: true }), // signs no authorities
      extension('2.5.29.15', bits(Buffer.from([0b0000_0110]), 1), { critical: true }), // signs certificates and lists
      extension('2.5.29.14', octets(keyIdOf(pair.publicKey))),
      ...(within ? [extension('2.5.29.30', onlyBelow(within), { critical: true })] : []),
    ],
  })
}

/** A new certificate for servers of these names, `*.` in front of one is every label. Signed by `authority`. */
export function mintCertificate(
  authority: Certified,
  { names, days, now }: { names: readonly string[]; days: number; now: Date },
): Certified {
  const pair = generateKeyPairSync('ec', { namedCurve: curve })
  const { issuer, authorityKeyId } = issuerOf(authority)
  const list = names.map((name) => der(0x82, Buffer.from(name)))
  return minted({
    pair,
    subject: nameOf('Warren'),
    issuer,
    from: now,
    until: new Date(now.getTime() + days * day),
    extensions: [
      extension('2.5.29.19', sequence(), { critical: true }),
      extension('2.5.29.15', bits(Buffer.from([0b1000_0000]), 7), { critical: true }), // signs handshakes
      extension('2.5.29.37', sequence(identifier('1.3.6.1.5.5.7.3.1'))), // as a server
      extension('2.5.29.17', sequence(...list)),
      extension('2.5.29.14', octets(keyIdOf(pair.publicKey))),
      extension('2.5.29.35', sequence(der(0x80, authorityKeyId))),
    ],
  })
}

interface Issuer {
  name: Buffer
  key: KeyObject
}

function minted(parts: {
  pair: { publicKey: KeyObject; privateKey: KeyObject }
  subject: Buffer
  issuer: Issuer
  from: Date
  until: Date
  extensions: Buffer[]
}): Certified {
  const { pair, subject, issuer, from, until, extensions } = parts
  const signed = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ecdsaWithSha256,
    issuer.name,
    // Clocks differ: what was minted now holds also for who is a little late.
    sequence(time(new Date(from.getTime() - day)), time(until)),
    subject,
    pair.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const whole = sequence(signed, ecdsaWithSha256, bits(sign('sha256', signed, issuer.key)))
  return {
    certificate: new X509Certificate(whole).toString(),
    key: String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

function issuerOf({ certificate, key }: Certified): { issuer: Issuer; authorityKeyId: Buffer } {
  const { subject, publicKey } = new X509Certificate(certificate)
  const name = /^CN=(.*)$/m.exec(subject)?.[1] ?? ''
  return { issuer: { name: nameOf(name), key: createPrivateKey(key) }, authorityKeyId: keyIdOf(publicKey) }
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(identifier('2.5.4.3'), utf8(commonName))))
}

function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}

function extension(id: string, content: Buffer, { critical = false } = {}): Buffer {
  return sequence(identifier(id), ...(critical ? [yes] : []), octets(content))
}

/** This domain and what is below it; no address of any family. */
function onlyBelow(domain: string): Buffer {
  const permitted = der(0xa0, sequence(der(0x82, Buffer.from(domain))))
  const excluded = der(0xa1, ...[8, 32].map((bytes) => sequence(der(0x87, Buffer.alloc(bytes)))))
  return sequence(permitted, excluded)
}
