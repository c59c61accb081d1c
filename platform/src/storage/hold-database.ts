import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { keptSecret } from '../lib/kept-secret.ts'
import { step } from '../lib/step.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './database.ts'

/** It holds for so long after it was last renewed, and is renewed this often; one that waits asks this often, milliseconds. */
const lease = { forMs: 15_000, renewMs: 4_000, askMs: 1_000 }
/** Who could not renew it gives up this long before another may take it. */
const marginMs = 3_000

interface HoldOptions {
  db: Database
  home: string
  logger: Logger
  /** Ends the waiting. */
  signal: AbortSignal
  /** Called when the lease is lost: from then on nothing may be written. */
  onLost: () => void
}

/**
 * Makes this process the only platform that works with a database that others reach too. While another one does, this one stands
 * by, and takes over when that ends or has not been heard of for a while. Resolves when it is the one, with what lets go.
 * Throws `conflict` where the other has other keys: what it sealed could not be read here.
 */
export async function holdDatabase(options: HoldOptions): Promise<() => Promise<void>> {
  const { db, home, logger, signal } = options
  const keys = await fingerprintOfKeys(home)
  const node = await keptSecret(join(home, 'node.id'), () => newId('n'))
  const hold = new Hold(db, { node, keys })
  for (let waits = false; ; waits = true) {
    const askedAt = performance.now()
    const other = await hold.take()
    if (!other) return hold.keep(askedAt, options.onLost)
    if (other.keys !== keys) throw otherKeys(other.host)
    if (!waits) logger.warn({ host: other.host }, 'another platform works with this database: this one stands by')
    await sleep(lease.askMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) throw new WarrenError('unavailable', 'stopped while standing by for another platform')
  }
}

interface Holder {
  holder: string
  host: string
  keys: string
}

class Hold {
  readonly #pool: Database['pool']
  readonly #node: string
  readonly #keys: string
  readonly #holder: string

  constructor({ pool }: Database, { node, keys }: { node: string; keys: string }) {
    this.#pool = pool
    this.#node = node
    this.#keys = keys
    this.#holder = pool.options.application_name!
  }

  /** Undefined when it is ours; else whose it is. Of an earlier process of our own home it is taken at once: that is dead. */
  async take(): Promise<Holder | undefined> {
    const before = await this.#current()
    // Whoever waits only looks.
    if (before && !before.isFree) return before
    // One that stood still may wake up: what it still has open must not write any more. In one statement with the taking,
    // so that no crash comes in between; what it opens later is refused by `#fence`.
    const statement = {
      text: `with before as (select holder from platform_lease),
        taken as (insert into platform_lease as held (node, holder, host, keys, until)
          values ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 millisecond')
          on conflict (one) do update set node = excluded.node, holder = excluded.holder, host = excluded.host,
            keys = excluded.keys, until = excluded.until
          where held.until < clock_timestamp() or held.node = $1 returning 1)
        select (select count(pg_terminate_backend(pid)) from pg_stat_activity
          where application_name in (select holder from before) and exists (select from taken)) as cut
        from taken`,
      values: [this.#node, this.#holder, hostname(), this.#keys, lease.forMs],
    }
    const { rowCount } = await step('platform.take', 'lease', () => this.#pool.query(statement))
    if (rowCount === 0) return this.#current()
    return undefined
  }

  /** Renews it until it is let go. */
  keep(takenAt: number, onLost: () => void): () => Promise<void> {
    let isOver = false
    let asking: Promise<unknown> | undefined
    const lost = () => {
      if (isOver) return
      isOver = true
      onLost()
    }
    const sure = (since: number) => setTimeout(lost, since + lease.forMs - marginMs - performance.now()).unref()
    let end = sure(takenAt)
    const renew = async () => {
      const askedAt = performance.now()
      // A database that cannot be asked is asked again, until the time is over.
      const isOurs = await this.#renew().catch(() => undefined)
      if (isOver) return
      if (isOurs) {
        clearTimeout(end)
        end = sure(askedAt)
      } else if (isOurs === false) lost()
    }
    const timer = setInterval(() => {
      asking ??= renew().finally(() => {
        asking = undefined
      })
    }, lease.renewMs).unref()
    this.#fence(lost)
    return async () => {
      isOver = true
      clearInterval(timer)
      clearTimeout(end)
      await asking
      const over = `update platform_lease set until = '-infinity' where holder = $1`
      await step('platform.let_go', 'lease', () => this.#pool.query(over, [this.#holder]))
    }
  }

  /** Whoever wakes up after another has taken it gets no connection any more, however its own clock went. */
  #fence(lost: () => void): void {
    const { options } = this.#pool
    options.verify = (client, done) => {
      client.query('select from platform_lease where holder = $1', [this.#holder]).then(
        ({ rowCount }) => {
          if (rowCount === 1) return done()
          lost()
          done(new WarrenError('unavailable', 'another platform works with this database'))
        },
        (error: Error) => done(error),
      )
    }
  }

  /** False when another has it. */
  async #renew(): Promise<boolean> {
    const statement = {
      name: 'platform-renew',
      text: `update platform_lease set until = clock_timestamp() + $2 * interval '1 millisecond' where holder = $1`,
      values: [this.#holder, lease.forMs],
    }
    const { rowCount } = await step('platform.renew', 'lease', () => this.#pool.query(statement))
    return rowCount === 1
  }

  async #current(): Promise<(Holder & { isFree: boolean }) | undefined> {
    const { rows } = await this.#pool.query<Holder & { isFree: boolean }>(
      `select holder, host, keys, until < clock_timestamp() or node = $1 as "isFree" from platform_lease`,
      [this.#node],
    )
    return rows[0]
  }
}

/** Of what a platform must share with one that takes its place. */
export async function fingerprintOfKeys(home: string): Promise<string> {
  const hash = createHash('sha256')
  for (const name of ['admin.key', 'token.seed', 'accounts.seed', 'secrets.key'])
    hash.update(await readFile(join(home, name)))
  return hash.digest('hex')
}

function otherKeys(host: string): WarrenError {
  return new WarrenError(
    'conflict',
    `a platform on ${host} works with this database, and has other keys than this one`,
    {
      hint: 'Copy admin.key, token.seed, accounts.seed and secrets.key from its home into this one, or use another database.',
    },
  )
}
