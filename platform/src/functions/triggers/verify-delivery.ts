import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { WarrenError } from '../../errors.ts'
import { equalText } from '../../lib/equal-text.ts'
import type { Hook } from './hook.ts'

export interface Delivery {
  headers: IncomingHttpHeaders
  body: Buffer
  now: Date
}

/** More signatures than that are not tried. */
const mostSignatures = 8
const longestId = 200

type Rules = Pick<Hook, 'scheme' | 'signatureHeader' | 'idHeader' | 'toleranceSeconds'>

/**
 * What names this delivery, the same when the sender repeats it; undefined where nothing does. Throws `unauthenticated` for one
 * that none of these secrets has signed, or whose signature is of another time.
 */
export function verifyDelivery(hook: Rules, secrets: readonly string[], delivery: Delivery): string | undefined {
  const id = schemes[hook.scheme](hook, secrets, delivery)
  return id === undefined || id.length <= longestId ? id : sha256(id)
}

const schemes: Record<
  Hook['scheme'],
  (hook: Rules, secrets: readonly string[], delivery: Delivery) => string | undefined
> = {
  address: ({ idHeader }, _secrets, { headers }) => (idHeader ? headerValue(headers, idHeader) : undefined),

  'standard-webhooks': (hook, secrets, { headers, body, now }) => {
    const prefix = headers['webhook-id'] === undefined && headers['svix-id'] !== undefined ? 'svix' : 'webhook'
    const [id, timestamp, given] = ['id', 'timestamp', 'signature'].map((name) => needed(headers, `${prefix}-${name}`))
    checkTime(timestamp!, hook, now)
    const signatures = given!.split(' ').flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : []))
    const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
    checkSignature(signatures, secrets, (secret) => hmac(standardKey(secret), signed).toString('base64'))
    return id
  },

  github: ({ signatureHeader = 'x-hub-signature-256', idHeader = 'x-github-delivery' }, secrets, { headers, body }) => {
    const given = needed(headers, signatureHeader).replace(/^sha256=/, '')
    checkSignature([given.toLowerCase()], secrets, (secret) => hmac(secret, body).toString('hex'))
    return headerValue(headers, idHeader) ?? sha256(body)
  },

  stripe: (hook, secrets, { headers, body, now }) => {
    const { signatureHeader = 'stripe-signature' } = hook
    const parts = needed(headers, signatureHeader)
      .split(',')
      .map((part) => part.trim().split('=', 2) as [string, string?])
    const timestamp = parts.find(([name]) => name === 't')?.[1] ?? ''
    checkTime(timestamp, hook, now)
    const signatures = parts.flatMap(([name, value = '']) => (name === 'v1' ? [value.toLowerCase()] : []))
    const signed = Buffer.concat([Buffer.from(`${timestamp}.`), body])
    checkSignature(signatures, secrets, (secret) => hmac(secret, signed).toString('hex'))
    return idInside(body) ?? sha256(signed)
  },
}

function checkTime(timestamp: string, { toleranceSeconds }: Rules, now: Date): void {
  const late = /^\d{1,12}$/.test(timestamp) ? now.getTime() / 1000 - Number(timestamp) : Number.NaN
  if (Math.abs(late) <= toleranceSeconds) return
  throw new WarrenError(
    'unauthenticated',
    `the time of the signature is more than ${toleranceSeconds} s from now, or is none`,
  )
}

function checkSignature(given: readonly string[], secrets: readonly string[], sign: (secret: string) => string): void {
  const expected = secrets.filter((secret) => secret !== '').map(sign)
  let fits = false
  // All are compared, whichever fits.
  for (const one of given.slice(0, mostSignatures)) for (const right of expected) if (equalText(one, right)) fits = true
  if (!fits) throw new WarrenError('unauthenticated', 'the signature does not fit the body and the secret of this hook')
}

/** As Standard Webhooks writes secrets: `whsec_` and base64. */
function standardKey(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
}

function needed(headers: IncomingHttpHeaders, name: string): string {
  const value = headerValue(headers, name)
  if (value) return value
  throw new WarrenError('unauthenticated', `the delivery is not signed: it has no header ${name.toLowerCase()}`)
}

function headerValue(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name.toLowerCase()]
  return (typeof value === 'string' && value) || undefined
}

/** Events of Stripe and its like have an id, which is signed with the rest. */
function idInside(body: Buffer): string | undefined {
  try {
    const { id } = JSON.parse(body.toString('utf8'))
    return typeof id === 'string' && id !== '' ? id : undefined
  } catch {
    return undefined
  }
}

function hmac(key: string | Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest()
}

function sha256(what: string | Buffer): string {
  return createHash('sha256').update(what).digest('hex')
}
