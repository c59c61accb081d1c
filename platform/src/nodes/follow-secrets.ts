import type { EventBus } from '../events/bus.ts'
import { changedWithin } from '../events/changed-within.ts'
import { endOfEvents, later, readEvents } from '../events/outbox.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { rareWarning } from '../telemetry/rare-warning.ts'

/** What failed is tried again after so long, milliseconds. */
const againMs = 1_000

interface FollowOptions {
  db: Database
  bus: Pick<EventBus, 'end' | 'changed'>
  renew: (accountId: string, name: string) => Promise<void>
  logger: Logger
}

/**
 * Tells a worker of secrets that have another value or are gone: the platform where that happens has other sandboxes. Answers with
 * what ends it. Call it before the first sandbox is taken up, so that none is missed.
 */
export async function followSecrets({ db, bus, renew, logger }: FollowOptions): Promise<() => Promise<void>> {
  const ending = new AbortController()
  const warn = rareWarning(logger, { text: 'changes of secrets are not known here yet', everyMs: 30_000 })
  let cursor = await endOfEvents(db)
  const follow = async () => {
    while (!ending.signal.aborted) {
      const since = bus.end
      try {
        const [event] = await readEvents(db.kysely, cursor, 1, { types: ['secret.updated', 'secret.deleted'] })
        if (event?.type === 'secret.updated' || event?.type === 'secret.deleted') {
          await renew(event.accountId, event.data.name)
          cursor = event.cursor
          continue
        }
        // Up to there are others alone, which need not be looked through again. What was read last may be newer.
        cursor = later(cursor, since)
        await bus.changed(since, ending.signal)
      } catch (error) {
        warn(error as Error)
        await changedWithin(bus, { since, ms: againMs, signal: ending.signal })
      }
    }
  }
  const following = follow()
  return async () => {
    ending.abort()
    await following
  }
}
