import { createHmac, randomBytes } from 'node:crypto'

/** RFC 6238 with what every authenticator takes: SHA-1, six digits, thirty seconds. */
const stepMs = 30_000
const digits = 6
/** Steps before and after the present one whose code is taken: clocks differ. */
const slack = 1
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export function newTotpSecret(): string {
  return base32(randomBytes(20))
}

/** What an authenticator reads as a QR code. */
export function totpUri(secret: string, email: string): string {
  const query = new URLSearchParams({ secret, issuer: 'Warren', digits: String(digits), period: String(stepMs / 1000) })
  return `otpauth://totp/${encodeURIComponent(`Warren:${email}`)}?${query}`
}

/** The step whose code was shown; undefined for a code of none that is near. Steps only go up: the caller refuses old ones. */
export function stepOf(secret: string, code: string, at: Date): number | undefined {
  const present = Math.floor(at.getTime() / stepMs)
  const near = Array.from({ length: 2 * slack + 1 }, (_, index) => present - slack + index)
  return near.find((step) => totp(secret, step) === code)
}

export function totp(secret: string, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', fromBase32(secret)).update(counter).digest()
  const number = mac.readUInt32BE(mac.at(-1)! & 0xf) & 0x7fffffff
  return String(number % 10 ** digits).padStart(digits, '0')
}

export function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => alphabet[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}
