/** What is being sent. */
interface Taken {
  webhookId: string
  accountId: string
}

/** Connections at once, in all and to one webhook. */
export const mostAtOnce = 128
export const mostToOne = 4

/**
 * The connections by which deliveries are sent. An organisation has at most as many as are free, so whoever has none finds one,
 * however many addresses of others hang: one organisation has half of them, of ten each an eleventh. Within what an organisation
 * may have, the same holds for its webhooks.
 */
export class Slots {
  readonly #taken = new Map<string, Taken>()
  readonly #ofAccount = new Map<string, number>()
  readonly #toWebhook = new Map<string, number>()

  has(delivery: string): boolean {
    return this.#taken.has(delivery)
  }

  /** With `single`, one to this webhook and no more. */
  mayTake({ webhookId, accountId }: Taken, { single = false } = {}): boolean {
    const own = mostAtOnce - this.#taken.size - (this.#ofAccount.get(accountId) ?? 0)
    return (this.#toWebhook.get(webhookId) ?? 0) < Math.min(own, single ? 1 : mostToOne)
  }

  take(delivery: string, taken: Taken): void {
    this.#taken.set(delivery, taken)
    add(this.#ofAccount, taken.accountId, 1)
    add(this.#toWebhook, taken.webhookId, 1)
  }

  free(delivery: string): void {
    const taken = this.#taken.get(delivery)
    if (!taken) return
    this.#taken.delete(delivery)
    add(this.#ofAccount, taken.accountId, -1)
    add(this.#toWebhook, taken.webhookId, -1)
  }

  /** How many more an organisation that has none could be given at once. */
  get left(): number {
    return mostAtOnce - this.#taken.size
  }

  /** Organisations that may have no other one now. */
  get fullAccounts(): string[] {
    return [...this.#ofAccount].flatMap(([id, count]) => (count >= this.left ? id : []))
  }

  /** Webhooks that may have no other one now, whatever is free; with `single` those that have one. */
  fullWebhooks(single: (webhookId: string) => boolean): string[] {
    return [...this.#toWebhook].flatMap(([id, count]) => (count >= mostToOne || single(id) ? id : []))
  }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  const now = (counts.get(key) ?? 0) + count
  if (now > 0) counts.set(key, now)
  else counts.delete(key)
}
