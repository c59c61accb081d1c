import { type Static, Type } from 'typebox'
import { eventId, type RecordedEvent } from '../../events/outbox.ts'

export const storageEvents = ['object.created', 'object.removed'] as const
export type StorageEvent = (typeof storageEvents)[number]

const part = (description: string) => Type.Optional(Type.String({ maxLength: 1024, format: 'plain-text', description }))

export const CreateStorageTrigger = Type.Object(
  {
    bucket: Type.String({ maxLength: 64, description: 'Name of a bucket of yours.' }),
    prefix: part('Only objects whose keys begin with it.'),
    suffix: part('Only objects whose keys end with it, such as `.jpg`.'),
    events: Type.Optional(
      Type.Array(Type.Enum([...storageEvents]), {
        minItems: 1,
        uniqueItems: true,
        description: 'What it is called for. Default `object.created`, which is told also when an object is replaced.',
      }),
    ),
  },
  { $id: 'CreateStorageTrigger', additionalProperties: false },
)
export type CreateStorageTrigger = Static<typeof CreateStorageTrigger>

export interface StorageTrigger {
  id: string
  accountId: string
  functionId: string
  bucketId: string
  bucket: string
  prefix: string
  suffix: string
  events: StorageEvent[]
  /** The transaction that made it. */
  since: string
  createdAt: Date
}

export type ObjectEvent = Extract<RecordedEvent, { type: StorageEvent }>

export function isObjectEvent(event: RecordedEvent): event is ObjectEvent {
  return (storageEvents as readonly string[]).includes(event.type)
}

/** Whether the function of `trigger` is called for `event`. */
export function isFor(trigger: StorageTrigger, { type, subject, data, cursor }: ObjectEvent): boolean {
  const { bucketId, events, prefix, suffix, since } = trigger
  if (subject !== bucketId || !events.includes(type) || BigInt(cursor.xid) < BigInt(since)) return false
  return data.key.startsWith(prefix) && data.key.endsWith(suffix)
}

/** What the function gets: a CloudEvent, the same however often the call is made again. */
export function cloudEventOf(event: ObjectEvent): object {
  const { type, at, data, cursor } = event
  const { bucket, key, sizeBytes, etag, contentType } = data
  return {
    ...{ specversion: '1.0', id: eventId(cursor), source: `/buckets/${bucket}`, type: `warren.${type}` },
    ...{ subject: key, time: at.toISOString(), datacontenttype: 'application/json' },
    data: { bucket, key, sizeBytes, etag, contentType },
  }
}
