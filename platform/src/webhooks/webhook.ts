import { type Static, Type } from 'typebox'
import type { Maker } from '../accounts/standing.ts'
import { matchesType } from '../events/event-types.ts'
import type { Queries } from '../storage/database.ts'

/*
 * The life of a delivery: one event for one webhook.
 *
 *   an event that it wants    accepted
 *   ─────────────────────▶ waiting ──────▶ delivered ──┐
 *                           ▲  │ a day went by, or gone │ replay
 *                           │  └─────────▶ dead ────────┤
 *                           └────────────────────────────┘
 *
 * Of one subject only the first that waits is sent; those after it wait until it is delivered or dead.
 */
export const deliveryStates = ['waiting', 'delivered', 'dead'] as const

const EventPattern = Type.String({
  pattern: '^(\\*|[a-z][a-z_]*\\.(\\*|[a-z][a-z_]*))$',
  maxLength: 64,
  description: 'A type of event such as sandbox.created, all of a noun such as sandbox.*, or *.',
})

export const CreateWebhook = Type.Object(
  {
    url: Type.String({
      minLength: 8,
      maxLength: 2048,
      description: 'Where events are posted to. https, in the internet.',
    }),
    events: Type.Optional(
      Type.Array(EventPattern, { maxItems: 64, description: 'Default: all that its maker may see.' }),
    ),
  },
  { $id: 'CreateWebhook', additionalProperties: false },
)
export type CreateWebhook = Static<typeof CreateWebhook>

export const RotateWebhook = Type.Object(
  {
    overlapSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 7 * 86_400,
        default: 86_400,
        description: 'So long what is sent is signed with the old secret too.',
      }),
    ),
  },
  { $id: 'RotateWebhook', additionalProperties: false },
)
export type RotateWebhook = Static<typeof RotateWebhook>

export const ReplayWebhook = Type.Object(
  {
    delivery: Type.Optional(Type.String({ maxLength: 64, description: 'This one, whatever became of it.' })),
    since: Type.Optional(
      Type.String({ format: 'date-time', description: 'Every one since then, whatever became of it.' }),
    ),
  },
  {
    $id: 'ReplayWebhook',
    additionalProperties: false,
    description: 'Without either, those that were given up.',
  },
)
export type ReplayWebhook = Static<typeof ReplayWebhook>

export const WebhookView = Type.Object(
  {
    id: Type.String(),
    url: Type.String(),
    events: Type.Array(Type.String()),
    state: Type.Enum(['active', 'disabled'], { description: 'disabled: its receiver answered 410.' }),
    createdAt: Type.String({ format: 'date-time' }),
    secret: Type.Optional(
      Type.String({ description: 'What its signatures are made with. Shown when it is made or rotated.' }),
    ),
  },
  { $id: 'Webhook' },
)

export const DeliveryView = Type.Object(
  {
    id: Type.String({ description: 'The header webhook-id of each attempt.' }),
    event: Type.String(),
    type: Type.String(),
    subject: Type.String(),
    state: Type.Enum([...deliveryStates]),
    createdAt: Type.String({ format: 'date-time' }),
    nextAt: Type.Optional(
      Type.String({ format: 'date-time', description: 'Absent while another of its subject is first.' }),
    ),
    attempts: Type.Array(
      Type.Object({
        at: Type.String({ format: 'date-time' }),
        durationMs: Type.Number(),
        status: Type.Optional(Type.Integer()),
        error: Type.Optional(Type.String()),
      }),
      { description: 'The last of them, oldest first.' },
    ),
  },
  { $id: 'WebhookDelivery' },
)
export type DeliveryView = Static<typeof DeliveryView>

export interface Webhook {
  id: string
  accountId: string
  url: string
  events: string[]
  state: 'active' | 'disabled'
  secretVersion: number
  previousUntil: Date | undefined
  /** Undefined of one that was made when that was not kept. */
  maker: Maker | undefined
  createdAt: Date
}

/** Whether a webhook with these patterns wants events of that type. */
export function wants(patterns: readonly string[], type: string): boolean {
  return patterns.length === 0 || patterns.some((pattern) => matchesType(pattern, type))
}

/** What an event or a pattern is about; `*` for all. */
export function nounOf(pattern: string): string {
  return pattern.split('.')[0]!
}

/** Answers the nouns of the events that a webhook of `maker` may be told of now. Handed in: it is decided where roles are. */
export type Heard = (queries: Queries, of: Pick<Webhook, 'accountId' | 'maker'>) => Promise<string[]>
