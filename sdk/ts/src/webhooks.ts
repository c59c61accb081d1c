import type { Transport } from './transport.ts'

/** An address that is told of events. `createdAt` is ISO 8601. */
export interface WebhookInfo {
  id: string
  url: string
  /** Patterns such as `sandbox.created` and `sandbox.*`; none are all. */
  events: string[]
  state: 'active' | 'disabled'
  createdAt: string
}

export interface WebhookDelivery {
  id: string
  event: string
  type: string
  subject: string
  state: 'waiting' | 'delivered' | 'dead'
  createdAt: string
  nextAt?: string
  attempts: { at: string; durationMs: number; status?: number; error?: string }[]
}

/** The webhooks of an account. What they receive is signed as Standard Webhooks has it. */
export class Webhooks {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The secret is told here and by `rotate` only. */
  create(url: string, options: { events?: string[] | undefined } = {}): Promise<WebhookInfo & { secret: string }> {
    return this.#transport.json('POST', '/v1/webhooks', { json: { url, ...options } })
  }

  /** Oldest first. */
  async list(): Promise<WebhookInfo[]> {
    return (await this.#transport.json<{ webhooks: WebhookInfo[] }>('GET', '/v1/webhooks')).webhooks
  }

  get(id: string): Promise<WebhookInfo> {
    return this.#transport.json('GET', pathOf(id))
  }

  /** With all that was to be sent to it. */
  delete(id: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(id))
  }

  /** Gives it a new secret; for `overlapSeconds`, a day unless said, the old one signs too. */
  rotate(id: string, options: { overlapSeconds?: number | undefined } = {}): Promise<WebhookInfo & { secret: string }> {
    return this.#transport.json('POST', `${pathOf(id)}/rotate`, { json: options })
  }

  /** Newest first; `before` is the id of the last one of the page before. */
  async deliveries(
    id: string,
    query: {
      state?: WebhookDelivery['state'] | undefined
      before?: string | undefined
      limit?: number | undefined
    } = {},
  ): Promise<WebhookDelivery[]> {
    const path = `${pathOf(id)}/deliveries`
    return (await this.#transport.json<{ deliveries: WebhookDelivery[] }>('GET', path, { query })).deliveries
  }

  /** Sends again what was given up, or one delivery, or all since a time. Answers how many. */
  async replay(id: string, what: { delivery?: string | undefined; since?: string | undefined } = {}): Promise<number> {
    return (await this.#transport.json<{ replayed: number }>('POST', `${pathOf(id)}/replay`, { json: what })).replayed
  }

  /** Sends it an event `webhook.test`. Answers the id of the delivery. */
  async test(id: string): Promise<string> {
    return (await this.#transport.json<{ delivery: string }>('POST', `${pathOf(id)}/test`)).delivery
  }
}

function pathOf(id: string): string {
  return `/v1/webhooks/${encodeURIComponent(id)}`
}
