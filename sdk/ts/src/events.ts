import { errorFromEvent } from './error.ts'
import type { Transport } from './transport.ts'

/** Something that happened in an account. */
export interface WarrenEvent {
  /** Rises from event to event; pass it as `after` to go on there. */
  id: string
  /** Such as `sandbox.created`. */
  type: string
  /** ISO 8601. */
  timestamp: string
  /** Id of what it is about. */
  subject: string
  data: Record<string, unknown>
}

export interface EventOptions {
  after?: string | undefined
  /** Only of these types. */
  types?: string[] | undefined
  subject?: string | undefined
}

/** What happened in an account. */
export class Events {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** The next ones after `after`, oldest first; at most `limit`, 100 unless said. */
  async list({ types, ...query }: EventOptions & { limit?: number | undefined } = {}): Promise<WarrenEvent[]> {
    const given = { ...query, type: types?.join(',') }
    return (await this.#transport.json<{ events: WarrenEvent[] }>('GET', '/v1/events', { query: given })).events
  }

  /** As they happen, after `after` or from now on. */
  async *follow({
    types,
    signal,
    ...query
  }: EventOptions & { signal?: AbortSignal | undefined } = {}): AsyncGenerator<WarrenEvent, void> {
    const given = { ...query, type: types?.join(','), follow: true }
    for await (const { event, data } of this.#transport.events('GET', '/v1/events', { query: given, signal })) {
      if (event === 'event') yield data as WarrenEvent
      else if (event === 'error') throw errorFromEvent(data)
    }
  }
}
