import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { matchesType } from '../../events/event-types.ts'
import { eventId, type RecordedEvent } from '../../events/outbox.ts'

export const CreateEventTrigger = Type.Object(
  {
    events: Type.Array(
      Type.String({
        pattern: '^(\\*|[a-z][a-z_]*\\.(\\*|[a-z][a-z_]*))$',
        maxLength: 64,
        description: 'A type of event such as sandbox.failed, all of a noun such as sandbox.*, or *.',
      }),
      { minItems: 1, maxItems: 64, uniqueItems: true, description: 'What it is called for.' },
    ),
    subject: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'Only events about this, such as the id of a sandbox.',
      }),
    ),
  },
  { $id: 'CreateEventTrigger', additionalProperties: false },
)
export type CreateEventTrigger = Static<typeof CreateEventTrigger>

export interface EventTrigger {
  id: string
  accountId: string
  functionId: string
  events: string[]
  subject: string | undefined
  /** The transaction that made it. */
  since: string
  /** Up to there its calls are spread. */
  pacedTo: Date
  createdAt: Date
}

/** One trigger leads to a call at most so often in the long run; what comes faster is made later. */
const callEveryMs = 10
/** So many may come at once. */
const burst = 1000

/**
 * Throws `forbidden` for a pattern that asks for more than may be heard: by functions, which any developer can change, and by who
 * asks, whose nouns `own` are.
 */
export function checkHeard(patterns: readonly string[], heard: readonly string[], own: readonly string[]): void {
  const asked = patterns.flatMap((pattern) => (pattern === '*' ? heard : [nounOf(pattern)]))
  const beyond = new Set(asked.filter((noun) => !heard.includes(noun) || !own.includes(noun)))
  if (beyond.size === 0) return
  throw new WarrenError('forbidden', `a function is not called for what may not be seen: ${[...beyond].join(', ')}`)
}

export function nounOf(type: string): string {
  return type.split('.')[0]!
}

/** Whether the function of `trigger` is called for `event`. What happens to the function itself is nothing it is called for. */
export function isForEvent(trigger: EventTrigger, { type, accountId, subject, cursor }: RecordedEvent): boolean {
  if (accountId !== trigger.accountId || subject === trigger.functionId) return false
  if (trigger.subject !== undefined && subject !== trigger.subject) return false
  return BigInt(cursor.xid) >= BigInt(trigger.since) && trigger.events.some((pattern) => matchesType(pattern, type))
}

/**
 * When the next `count` calls of a trigger are due, and up to where it is paced then: a function that is called for what it
 * does itself goes round at a bounded rate.
 */
export function paced(pacedTo: Date, count: number, now: Date): { dueAt: Date[]; pacedTo: Date } {
  let at = Math.max(pacedTo.getTime(), now.getTime())
  const dueAt: Date[] = []
  for (let number = 0; number < count; number++) {
    at += callEveryMs
    dueAt.push(new Date(Math.max(now.getTime(), at - burst * callEveryMs)))
  }
  return { dueAt, pacedTo: new Date(at) }
}

/** What the function gets: a CloudEvent, the same however often the call is made again. */
export function platformEvent({ type, subject, at, data, cursor }: RecordedEvent): object {
  return {
    ...{ specversion: '1.0', id: eventId(cursor), source: '/events', type: `warren.${type}` },
    ...{ subject, time: at.toISOString(), datacontenttype: 'application/json', data },
  }
}
