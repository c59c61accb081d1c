import type { Transport } from './transport.ts'

export interface QueueInfo {
  name: string
  visibilitySeconds: number
  maxReceives: number
  deadLetterQueue?: string
  functionId?: string
  batch: number
  waiting: number
  inFlight: number
  createdAt: string
}

export interface QueueMessage {
  id: string
  body: unknown
  group?: string
  receives: number
  /** Shown to delete it. */
  receipt: string
  enqueuedAt: string
}

/** Messages that wait until they are received and deleted, by you or by a function. */
export class Queues {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Makes a queue, or changes one. With `function` its messages go to that. */
  put(
    name: string,
    options: {
      visibilitySeconds?: number
      maxReceives?: number
      deadLetterQueue?: string
      function?: string
      batch?: number
    } = {},
  ): Promise<QueueInfo> {
    return this.#transport.json('PUT', pathOf(name), { json: options })
  }

  get(name: string): Promise<QueueInfo> {
    return this.#transport.json('GET', pathOf(name))
  }

  async list(): Promise<QueueInfo[]> {
    return (await this.#transport.json<{ queues: QueueInfo[] }>('GET', '/v1/queues')).queues
  }

  delete(name: string): Promise<void> {
    return this.#transport.done('DELETE', pathOf(name))
  }

  /** Answers their ids. Messages of one group are received in order, each when the one before is deleted. */
  async send(name: string, messages: { body: unknown; group?: string; delaySeconds?: number }[]): Promise<string[]> {
    return (await this.#transport.json<{ ids: string[] }>('POST', `${pathOf(name)}/messages`, { json: { messages } }))
      .ids
  }

  /** As many as there are, up to `most`; hidden from others until they are deleted or their time is over. */
  async receive(name: string, most = 10): Promise<QueueMessage[]> {
    const path = `${pathOf(name)}/receive`
    return (await this.#transport.json<{ messages: QueueMessage[] }>('POST', path, { json: { most } })).messages
  }

  /** Messages that were dealt with. Answers how many were still held. */
  async deleteMessages(name: string, messages: Pick<QueueMessage, 'id' | 'receipt'>[]): Promise<number> {
    const json = { messages: messages.map(({ id, receipt }) => ({ id, receipt })) }
    return (await this.#transport.json<{ deleted: number }>('POST', `${pathOf(name)}/delete`, { json })).deleted
  }
}

function pathOf(name: string): string {
  return `/v1/queues/${encodeURIComponent(name)}`
}
