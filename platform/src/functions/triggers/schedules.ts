import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import { WarrenError } from '../../errors.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { FunctionSchedulesTable } from '../../storage/tables.ts'
import { chooseVersion } from '../choose-version.ts'
import type { FunctionRecord } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import { type CreateSchedule, readCron, type Schedule, timesDue } from './schedule.ts'

type Deps = Pick<FunctionDeps, 'db' | 'store' | 'dispatcher' | 'stopped' | 'now' | 'logger'>

const mostOfFunction = 100
/** Looked for at least this often, for what another platform has made, milliseconds. */
const lookMs = 5000
const soonestMs = 20

/** Calls by the clock: the one writer of their table. However many platforms look, each time is called for once. */
export class Schedules {
  readonly #deps: Deps
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #closed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  start(): void {
    this.#wait(0)
  }

  async create({ id: functionId, accountId }: FunctionRecord, input: CreateSchedule): Promise<Schedule> {
    const { cron, timeZone = 'UTC', catchUp = 'one', payload = null } = input
    const next = readCron(cron, timeZone).nextRun(this.#deps.now())
    const values = {
      ...{ id: newId('t'), account_id: accountId, function_id: functionId, cron, catch_up: catchUp },
      ...{ time_zone: timeZone, payload: JSON.stringify(payload), next_at: next, created_at: this.#deps.now() },
    }
    const count = await this.#of(functionId).execute()
    if (count.length >= mostOfFunction)
      throw new WarrenError('limit_exceeded', `a function has at most ${mostOfFunction} schedules`)
    const insertion = this.#deps.db.kysely.insertInto('function_schedules').values(values).returningAll()
    const row = await step('schedule.create', values.id, () => insertion.executeTakeFirstOrThrow())
    this.#wait(0)
    return toSchedule(row)
  }

  async list({ id }: FunctionRecord): Promise<Schedule[]> {
    return (await this.#of(id).orderBy('created_at').execute()).map(toSchedule)
  }

  /** Throws `not_found` where the function has no such schedule. */
  async remove({ id: functionId }: FunctionRecord, id: string): Promise<void> {
    const deletion = this.#deps.db.kysely
      .deleteFrom('function_schedules')
      .where('id', '=', id)
      .where('function_id', '=', functionId)
    const { numDeletedRows } = await step('schedule.remove', id, () => deletion.executeTakeFirstOrThrow())
    if (numDeletedRows === 0n) throw new WarrenError('not_found', `there is no schedule "${id.slice(0, 64)}"`)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#looking
  }

  #of(functionId: string) {
    return this.#deps.db.kysely.selectFrom('function_schedules').selectAll().where('function_id', '=', functionId)
  }

  #wait(ms: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
    }, ms).unref()
  }

  async #look(): Promise<void> {
    let nextMs = lookMs
    try {
      while (await this.#fireOne());
      const { rows } = await this.#deps.db.pool.query<{ next: Date | null }>(
        'select min(next_at) as next from function_schedules',
      )
      const next = rows[0]?.next
      if (next) nextMs = Math.min(lookMs, Math.max(soonestMs, next.getTime() - this.#deps.now().getTime()))
    } catch (error) {
      if (!this.#closed) this.#deps.logger.warn({ err: error }, 'schedules could not be looked at; it is tried again')
    }
    this.#wait(nextMs)
  }

  /** The calls of one schedule that is due, and its next time, in one transaction. False where none is due. */
  #fireOne(): Promise<boolean> {
    const { db, store, dispatcher, stopped } = this.#deps
    const now = this.#deps.now()
    return step('schedule.fire', 'due', () =>
      db.transaction(async (tx) => {
        const row = await tx
          .selectFrom('function_schedules')
          .selectAll()
          .where('next_at', '<=', now)
          .orderBy('next_at')
          .limit(1)
          .forUpdate()
          .skipLocked()
          .executeTakeFirst()
        if (!row) return false
        const schedule = toSchedule(row)
        const { times: due, next } = timesDue(schedule, row.next_at!, now)
        // Those of a month would all be made at once when the next one begins.
        const times = stopped().includes(row.account_id) ? [] : due
        const known = await store.byId(row.function_id)
        for (const time of known ? times : []) {
          const id = newId('c')
          const { version } = chooseVersion(known!)
          const payload = Buffer.from(JSON.stringify(eventOf(schedule, id, time)))
          await sql`insert into function_invocations (id, account_id, function_id, version, trigger, state, payload, due_at, created_at)
            values (${id}, ${row.account_id}, ${row.function_id}, ${version}, 'cron', 'waiting', ${payload}, now(), now())`.execute(
            tx,
          )
        }
        const change = { next_at: next ?? null, ...(times.length > 0 ? { last_at: times.at(-1)! } : {}) }
        await tx.updateTable('function_schedules').set(change).where('id', '=', row.id).execute()
        return true
      }),
    ).then((fired) => {
      if (fired) dispatcher.wake()
      return fired
    })
  }
}

/** A CloudEvent. */
function eventOf({ id, payload }: Schedule, callId: string, time: Date): object {
  const attributes = {
    specversion: '1.0',
    id: callId,
    source: `/schedules/${id}`,
    type: 'warren.schedule',
    time: time.toISOString(),
  }
  return { ...attributes, datacontenttype: 'application/json', data: payload }
}

function toSchedule(row: Selectable<FunctionSchedulesTable>): Schedule {
  return {
    id: row.id,
    functionId: row.function_id,
    cron: row.cron,
    timeZone: row.time_zone,
    catchUp: row.catch_up as Schedule['catchUp'],
    payload: row.payload,
    nextAt: row.next_at ?? undefined,
    lastAt: row.last_at ?? undefined,
    createdAt: row.created_at,
  }
}
