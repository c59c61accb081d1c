import type { RecordedEvent } from '../events/outbox.ts'
import type { OpenInterval } from './open-interval.ts'

/** What was last seen of a subject, as far as it says when an interval ended. */
export interface LastSeen {
  at: Date
  leavingAt: Date | undefined
}

type Terms = Omit<OpenInterval, 'number' | 'startedAt' | 'skewMs' | 'turn'>

/** What an event does to the open interval of its subject: when it ends, and what goes on from then. Undefined: nothing. */
export function intervalOfEvent(
  event: RecordedEvent,
  open: OpenInterval | undefined,
  seen: LastSeen | undefined,
): { at: Date; next: Terms | undefined } | undefined {
  const { subject, accountId, at } = event
  if (!open) {
    const terms = termsOfBeginning(event)
    return terms && { at, next: { subject, accountId, gpu: false, ...terms } }
  }
  switch (event.type) {
    case 'sandbox.paused': {
      if (open.state !== 'running') return undefined
      const state = event.data.memory === 'resident' ? 'resident' : 'stored'
      return { at: leftAt(open, seen, at) ?? at, next: { ...open, state } }
    }
    case 'sandbox.resumed':
      return open.state === 'running' ? undefined : { at, next: { ...open, state: 'running' } }
    case 'sandbox.failed':
      // Nobody saw it go: it is billed until it was last seen.
      return { at: event.data.reason === 'lost' ? (lostAt(open, seen) ?? at) : at, next: undefined }
    case 'sandbox.stopped':
      return { at: leftAt(open, seen, at) ?? at, next: undefined }
    case 'object.created':
    case 'object.removed':
      return { at, next: { ...open, diskMb: event.data.bucketBytes / 1024 / 1024 } }
    case 'snapshot.deleted':
    case 'volume.deleted':
    case 'bucket.deleted':
      return { at, next: undefined }
    default:
      return undefined
  }
}

function termsOfBeginning(
  event: RecordedEvent,
): (Pick<Terms, 'kind' | 'state' | 'memoryMb' | 'diskMb' | 'attributes'> & { gpu?: boolean }) | undefined {
  switch (event.type) {
    case 'sandbox.created': {
      const { limits, gpu = false, template, driver, isolation, from } = event.data
      // An event from before limits were told of.
      if (!limits) return undefined
      const copyOf: Record<string, string> = from && 'sandbox' in from ? { copyOf: from.sandbox } : {}
      const attributes = { template, driver, isolation, memory: 'limit', ...copyOf }
      return { kind: 'sandbox', state: 'running', memoryMb: limits.memoryMb, diskMb: limits.diskMb, gpu, attributes }
    }
    case 'snapshot.created': {
      const diskMb = event.data.sizeBytes / 1024 / 1024
      return { kind: 'storage', state: 'stored', memoryMb: 0, diskMb, attributes: { of: 'snapshot' } }
    }
    case 'volume.created': {
      const attributes = { of: 'volume', name: event.data.name }
      return { kind: 'storage', state: 'stored', memoryMb: 0, diskMb: event.data.sizeMb ?? 0, attributes }
    }
    case 'object.created': {
      const attributes = { of: 'bucket', name: event.data.bucket }
      return {
        kind: 'storage',
        state: 'stored',
        memoryMb: 0,
        diskMb: event.data.bucketBytes / 1024 / 1024,
        attributes,
      }
    }
    default:
      return undefined
  }
}

/**
 * Asked to stop, it is not billed for how long that takes, nor for a crash in between. What was asked later than the event
 * is of another end.
 */
function leftAt({ state, startedAt }: OpenInterval, seen: LastSeen | undefined, at: Date): Date | undefined {
  const leavingAt = seen?.leavingAt
  return state === 'running' && leavingAt && leavingAt > startedAt && leavingAt <= at ? leavingAt : undefined
}

function lostAt({ state, startedAt }: OpenInterval, seen: LastSeen | undefined): Date | undefined {
  if (state !== 'running') return undefined
  return seen && seen.at > startedAt ? seen.at : startedAt
}
