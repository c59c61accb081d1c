import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Intent {
  id: string
  object: 'payment_intent'
  amount: number
  amount_received: number
  currency: string
  status: string
  client_secret: string
  metadata: Record<string, string>
}

/** Stripe as far as payments need it: intents by its API, idempotent by key, and events that it signs as Stripe does. */
export interface StripeStandIn {
  url: string
  secret: string
  intents: Map<string, Intent>
  /** How often it was asked to make one. */
  creations: number
  /** A signed event about an intent, as it would be sent. */
  event(type: string, intent: Partial<Intent>, at?: number): { body: string; signature: string; id: string }
  close(): Promise<void>
}

export async function startStripe(): Promise<StripeStandIn> {
  const secret = `whsec_${randomUUID()}`
  const intents = new Map<string, Intent>()
  const byKey = new Map<string, string>()
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.headers.authorization !== 'Bearer sk_test_1')
      return answer(401, { error: { type: 'invalid_request_error', message: 'no such key' } })
    const [, id] = /^\/v1\/payment_intents(?:\/(\w+))?$/.exec(request.url!) ?? []
    if (id) return answer(200, intents.get(id)!)
    standIn.creations++
    const form = new URLSearchParams(text)
    if (form.get('amount') === '66600')
      return answer(402, { error: { type: 'card_error', message: 'the card was declined' } })
    const key = request.headers['idempotency-key'] as string
    const known = byKey.get(key)
    if (known) return answer(200, intents.get(known)!)
    const intent: Intent = {
      id: `pi_${intents.size + 1}`,
      object: 'payment_intent',
      amount: Number(form.get('amount')),
      amount_received: 0,
      currency: form.get('currency')!,
      status: 'requires_payment_method',
      client_secret: `secret_${randomUUID()}`,
      metadata: { payment: form.get('metadata[payment]')!, account: form.get('metadata[account]')! },
    }
    intents.set(intent.id, intent)
    byKey.set(key, intent.id)
    return answer(200, intent)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const standIn: StripeStandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secret,
    intents,
    creations: 0,
    event: (type, intent, at = Math.floor(Date.now() / 1000)) => {
      const id = `evt_${randomUUID()}`
      const body = JSON.stringify({ id, object: 'event', type, api_version: '2026-01-01', data: { object: intent } })
      const v1 = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')
      return { body, signature: `t=${at},v1=${v1}`, id }
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
  return standIn
}
