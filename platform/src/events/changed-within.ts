import type { EventBus } from './bus.ts'

/** Waits for events after `since`, but no longer than so many milliseconds. */
export async function changedWithin(
  bus: Pick<EventBus, 'changed'>,
  { since, ms, signal }: { since: EventBus['end']; ms: number; signal: AbortSignal },
): Promise<void> {
  const enough = new AbortController()
  const timer = setTimeout(() => enough.abort(), ms).unref()
  await bus.changed(since, AbortSignal.any([signal, enough.signal]))
  clearTimeout(timer)
}
