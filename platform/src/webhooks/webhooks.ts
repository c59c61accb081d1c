import type { Account } from '../accounts/account.ts'
import type { Maker } from '../accounts/standing.ts'
import { parseOpenRange } from '../engine/network/judge-address.ts'
import { WarrenError } from '../errors.ts'
import type { EventBus } from '../events/bus.ts'
import { checkEventTypes } from '../events/event-types.ts'
import { newId } from '../lib/id.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Deliverer } from './deliverer.ts'
import { DeliveryStore } from './delivery-store.ts'
import { secretOf } from './sign.ts'
import { WebhookStore } from './store.ts'
import {
  type CreateWebhook,
  type DeliveryView,
  type Heard,
  nounOf,
  type ReplayWebhook,
  type RotateWebhook,
  type Webhook,
} from './webhook.ts'

const mostWebhooks = 100
/** Hears all there is. */
const operator: Maker = { kind: 'admin', id: 'admin', role: 'operator', scopes: undefined }

interface WebhooksOptions {
  db: Database
  bus: Pick<EventBus, 'end' | 'changed'>
  /** What the secrets are made from. */
  seed: string
  /** Private ranges that the operator opens. */
  open: readonly string[]
  heard: Heard
  now: () => Date
  logger: Logger
}

/** Everything that can be done with webhooks. Throws at once for a range that makes no sense. */
export function createWebhooks({ db, bus, seed, open: ranges, heard, now, logger }: WebhooksOptions) {
  const open = ranges.map(parseOpenRange)
  const store = new WebhookStore(db)
  const deliveries = new DeliveryStore(db)
  const deliverer = new Deliverer({ db, bus, deliveries, seed, open, heard, now, logger })
  const withSecret = (webhook: Webhook) => ({ webhook, secret: secretOf(seed, webhook, webhook.secretVersion) })
  const get = async (account: Account, id: string): Promise<Webhook> => {
    const webhook = await store.find(account.id, id)
    if (!webhook) throw noWebhook(id)
    return webhook
  }

  return {
    /** The secret is answered here and by `rotate` only. Throws `forbidden` for events that its maker may not see. */
    async create(
      account: Account,
      { kind, id, role, scopes }: Maker,
      { url, events = [] }: CreateWebhook,
    ): Promise<{ webhook: Webhook; secret: string }> {
      checkUrl(url)
      checkEventTypes(events)
      const maker = { kind, id, role, scopes }
      const nouns = await heard(db.kysely, { accountId: account.id, maker })
      const known = await heard(db.kysely, { accountId: account.id, maker: operator })
      const beyond = events.map(nounOf).filter((noun) => known.includes(noun) && !nouns.includes(noun))
      if (beyond.length > 0)
        throw new WarrenError(
          'forbidden',
          `nobody is told of what they may not see: ${[...new Set(beyond)].join(', ')}`,
        )
      if ((await store.list(account.id)).length >= mostWebhooks)
        throw new WarrenError('limit_exceeded', `there are ${mostWebhooks} webhooks already, which is the most`)
      const begun = { state: 'active' as const, secretVersion: 1, previousUntil: undefined, createdAt: now() }
      const webhook = { id: newId('w'), accountId: account.id, url, events, maker, ...begun }
      await store.insert(webhook)
      return withSecret(webhook)
    },
    list: (account: Account): Promise<Webhook[]> => store.list(account.id),
    get,
    async remove(account: Account, id: string): Promise<void> {
      if (!(await store.remove(account.id, id))) throw noWebhook(id)
    },
    async rotate(account: Account, id: string, { overlapSeconds = 86_400 }: RotateWebhook) {
      const webhook = await store.rotate(account.id, id, new Date(now().getTime() + overlapSeconds * 1000))
      if (!webhook) throw noWebhook(id)
      return withSecret(webhook)
    },
    async deliveries(
      account: Account,
      id: string,
      given: { state?: string; before?: string; limit?: number },
    ): Promise<DeliveryView[]> {
      await get(account, id)
      return deliveries.list(id, { ...given, limit: given.limit ?? 100 })
    },
    /** Answers how many are sent again. */
    async replay(account: Account, id: string, input: ReplayWebhook): Promise<number> {
      await get(account, id)
      if (input.since !== undefined && Number.isNaN(Date.parse(input.since)))
        throw new WarrenError('invalid_request', `since must be a time, not "${input.since}"`)
      const replayed = await deliveries.replay(id, input)
      deliverer.tryAgain(id)
      return replayed
    },
    /** Sends it an event that tells of nothing. Answers the id of the delivery. */
    async test(account: Account, id: string): Promise<string> {
      const delivery = await deliveries.insertTest(await get(account, id), now())
      deliverer.tryAgain(id)
      return delivery
    },
    start: (): void => deliverer.start(),
    close: (): Promise<void> => deliverer.close(),
    /** Deletes records of what was delivered or given up long ago. */
    forget: (before: Date, most: number): Promise<number> => deliveries.forget(before, most),
  }
}

export type Webhooks = ReturnType<typeof createWebhooks>

function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['https:', 'http:'].includes(url.protocol))
    throw new WarrenError('invalid_request', `url must be an address that begins with https://, not "${text}"`)
  if (url.username || url.password || url.hash)
    throw new WarrenError('invalid_request', 'url must have no user, password or fragment', {
      hint: 'What is sent is signed: the receiver knows by the secret of the webhook who sends.',
    })
}

function noWebhook(id: string): WarrenError {
  return new WarrenError('not_found', `there is no webhook "${id}"`)
}
