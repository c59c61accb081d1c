import { createHmac } from 'node:crypto'
import type { Webhook } from './webhook.ts'

const prefix = 'whsec_'

/** The secret of a webhook in one of its versions. It is stored nowhere: whoever reads the database cannot sign. */
export function secretOf(seed: string, { id }: Pick<Webhook, 'id'>, version: number): string {
  return prefix + createHmac('sha256', seed).update(`webhook ${id} ${version}`).digest('base64')
}

/** The headers of Standard Webhooks: the body is signed together with its id and the time, by each secret that is valid. */
export function signatureHeaders(
  secrets: readonly string[],
  { id, at, body }: { id: string; at: Date; body: string },
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(prefix.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
