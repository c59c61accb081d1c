import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type EventBus, openBus } from './bus.ts'
import { NatsLink } from './nats-link.ts'
import { forgetNats, publishToNats } from './nats-publisher.ts'
import { natsWire } from './nats-wire.ts'
import { postgresWire } from './postgres-wire.ts'
import { noWire } from './wire.ts'

interface EventsOptions {
  db: Database
  config: { natsUrl: string | undefined; databaseUrl: string | undefined; historyHours: number }
  logger: Logger
  /** Whether this process publishes to NATS: one does it for all. */
  publishes: boolean
}

/** The bus as it is configured: over NATS, else over the database that nodes share; a database of our own nobody shares. */
export async function openEvents(options: EventsOptions): Promise<{ bus: EventBus; close: () => Promise<void> }> {
  const { db, config, logger, publishes } = options
  if (!config.natsUrl) {
    if (publishes) await forgetNats(db)
    const bus = await openBus({ db, openWire: config.databaseUrl ? postgresWire({ db, logger }) : noWire })
    return { bus, close: () => bus.close() }
  }
  const link = await NatsLink.open({ url: config.natsUrl, logger })
  const bus = await openBus({ db, openWire: natsWire(link) })
  const keepMs = config.historyHours * 3_600_000
  const endPublishing = publishes ? publishToNats({ db, bus, link, keepMs }) : async () => {}
  return {
    bus,
    close: async () => {
      await endPublishing()
      await bus.close()
      await link.close()
    },
  }
}
