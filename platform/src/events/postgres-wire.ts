import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { OpenWire } from './wire.ts'

const channel = 'warren_events'
/** A connection that broke is made anew after this, and then ever more rarely, milliseconds. */
const againMs = { first: 100, most: 5_000 }

/**
 * LISTEN and NOTIFY, on a connection of its own. Nobody notifies in the transaction that makes an event: then PostgreSQL would
 * commit one after the other.
 */
export function postgresWire({ db, logger }: { db: Pick<Database, 'pool'>; logger: Logger }): OpenWire {
  return async (heard) => {
    const self = randomUUID()
    let client: pg.Client | undefined
    let isUp = false
    let isOver = false
    let tries = 0
    let timer: NodeJS.Timeout | undefined
    let told: Promise<unknown> = Promise.resolve()

    const connect = async () => {
      const next = new pg.Client({ ...db.pool.options, keepAlive: true })
      client = next
      const lost = (error?: Error) => {
        if (isOver || client !== next) return
        client = undefined
        if (isUp) logger.warn({ reason: error?.message ?? 'it ended' }, 'events of other nodes are polled for a while')
        isUp = false
        heard()
        timer = setTimeout(connect, Math.min(againMs.first * 2 ** tries++, againMs.most)).unref()
        next.end().catch(() => {})
      }
      next.on('error', lost)
      next.on('end', () => lost())
      next.on('notification', ({ payload }) => payload !== self && heard())
      try {
        await next.connect()
        await next.query(`listen ${channel}`)
        if (isOver) return void (await next.end())
        isUp = true
        tries = 0
        heard()
      } catch (error) {
        lost(error as Error)
      }
    }
    await connect()
    return {
      isUp: () => isUp,
      tell() {
        told = db.pool.query('select pg_notify($1, $2)', [channel, self]).catch(() => {})
      },
      async close() {
        isOver = true
        clearTimeout(timer)
        await told
        await client?.end().catch(() => {})
      },
    }
  }
}
