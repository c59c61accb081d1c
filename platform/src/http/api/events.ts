import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import { nounsHeardBy } from '../../accounts/event-permissions.ts'
import { authorize } from '../../accounts/roles.ts'
import { WarrenError } from '../../errors.ts'
import type { EventFeed } from '../../events/feed.ts'
import { type Cursor, eventId, parseEventId, type RecordedEvent, start } from '../../events/outbox.ts'
import { lastEventId, streamEvents } from '../sse.ts'
import { event, eventStream, failureEvent, json, named, problems } from './schema.ts'

const EventView = Type.Object(
  {
    id: Type.String({ description: 'Rises from event to event; `after` goes on there.' }),
    type: Type.String({ description: 'Such as sandbox.created.' }),
    timestamp: Type.String({ format: 'date-time' }),
    subject: Type.String({ description: 'Id of what it is about.' }),
    data: Type.Unknown(),
  },
  { $id: 'Event' },
)
const EventList = Type.Object(
  {
    events: Type.Array(named(EventView)),
    next: Type.Optional(Type.String({ description: 'Pass it as `after` for what comes then.' })),
  },
  { $id: 'EventList' },
)
const EventQuery = Type.Object(
  {
    after: Type.Optional(Type.String({ maxLength: 40, description: 'Id of an event. Default: from the oldest kept.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    type: Type.Optional(Type.String({ maxLength: 1000, description: 'Types, with commas between.' })),
    subject: Type.Optional(Type.String({ maxLength: 128 })),
    follow: Type.Optional(
      Type.Boolean({
        description: 'As server-sent events: after `after` or the header Last-Event-ID, else from now on.',
      }),
    ),
  },
  { additionalProperties: false },
)
type EventQuery = Static<typeof EventQuery>
const FollowedEvent = Type.Union([event('event', named(EventView), 'Something happened.'), failureEvent], {
  $id: 'FollowedEvent',
  description: 'One event of the feed: the `event` line is the name, the `id` line the id of the event.',
})

export const eventSchemas = [EventView, EventList, FollowedEvent]

/** /v1/events: what happened in an account, page by page or as it happens. */
export function eventRoutes(app: FastifyInstance, feed: EventFeed): void {
  app.get<{ Querystring: EventQuery }>(
    '/events',
    {
      // Of each event its own: see accounts/event-permissions.ts.
      config: { permission: 'self' },
      schema: {
        operationId: 'listEvents',
        summary: 'What happened, oldest first; with `follow`, as server-sent events as it happens',
        description:
          'Those that the caller may see: each kind takes the permission to see the thing, such as `billing:read` for invoices.',
        tags: ['events'],
        querystring: EventQuery,
        response: {
          200: {
            description: 'The next events; with `follow`, all that come, as events.',
            content: { ...json('', EventList).content, ...eventStream('', FollowedEvent).content },
          },
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { after, limit = 100, type, subject, follow } = request.query
      const nouns = nounsHeardBy(request.principal)
      if (nouns.length === 0) authorize(request.principal, 'sandboxes:read')
      const filter = { accountId: request.account.id, subject, types: type?.split(',').filter(Boolean), nouns }
      if (follow) {
        const from = cursorOf('Last-Event-ID', lastEventId(request)) ?? cursorOf('after', after)
        return streamEvents(request, reply, async (stream, signal) => {
          for await (const one of feed.follow(filter, from, signal))
            await stream.send('event', viewOf(one), eventId(one.cursor))
        })
      }
      const events = await feed.read(filter, cursorOf('after', after) ?? start, limit)
      const last = events.at(-1)?.cursor
      return { events: events.map(viewOf), ...(last ? { next: eventId(last) } : {}) }
    },
  )
}

function cursorOf(name: string, id: string | undefined): Cursor | undefined {
  if (!id) return undefined
  const cursor = parseEventId(id)
  if (!cursor) throw new WarrenError('invalid_request', `${name} must be the id of an event, not "${id.slice(0, 60)}"`)
  return cursor
}

function viewOf({ cursor, type, at, subject, data }: RecordedEvent): Static<typeof EventView> {
  return { id: eventId(cursor), type, timestamp: at.toISOString(), subject, data }
}
