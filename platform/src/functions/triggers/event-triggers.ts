import type { Selectable, Transaction } from 'kysely'
import { WarrenError } from '../../errors.ts'
import type { EventBus } from '../../events/bus.ts'
import { checkEventTypes } from '../../events/event-types.ts'
import type { RecordedEvent } from '../../events/outbox.ts'
import { newId } from '../../lib/id.ts'
import { step } from '../../lib/step.ts'
import type { FunctionEventTriggersTable, Tables } from '../../storage/tables.ts'
import { chooseVersion } from '../choose-version.ts'
import type { FunctionRecord } from '../function.ts'
import type { FunctionDeps } from '../functions.ts'
import {
  type CreateEventTrigger,
  checkHeard,
  type EventTrigger,
  isForEvent,
  nounOf,
  paced,
  platformEvent,
} from './event-trigger.ts'
import { OutboxFollower } from './follow-outbox.ts'
import { insertCalls, type TriggeredCall } from './insert-calls.ts'

type Deps = Pick<FunctionDeps, 'db' | 'store' | 'dispatcher' | 'now' | 'logger'> & {
  bus: Pick<EventBus, 'end' | 'changed'>
  heardNouns: readonly string[]
}

const mostOfFunction = 20
/** Each event makes at most so many calls. */
const mostOfAccount = 100

/** Calls when something happens in an organisation: the one writer of their table. */
export class EventTriggers {
  readonly #deps: Deps
  readonly #follower: OutboxFollower
  /** Whether there may be one; undefined before it was looked for. */
  #any: boolean | undefined

  constructor(deps: Deps) {
    this.#deps = deps
    this.#follower = new OutboxFollower(deps, {
      consumer: 'event-triggers',
      isWanted: async () => {
        if (this.#any !== undefined) return this.#any
        const found = (await this.#all().limit(1).execute()).length > 0
        // One may have been made meanwhile.
        this.#any ??= found
        return this.#any
      },
      call: (tx, events) => this.#call(tx, events),
    })
  }

  start(): void {
    this.#follower.start()
  }

  close(): Promise<void> {
    return this.#follower.close()
  }

  /** `own` are the nouns of the events that who asks may see. */
  async create(
    { id: functionId, accountId }: FunctionRecord,
    input: CreateEventTrigger,
    own: readonly string[],
  ): Promise<EventTrigger> {
    const { events, subject = null } = input
    checkEventTypes(events)
    checkHeard(events, this.#deps.heardNouns, own)
    const ofAccount = await this.#all().where('account_id', '=', accountId).execute()
    if (ofAccount.filter((one) => one.function_id === functionId).length >= mostOfFunction)
      throw new WarrenError('limit_exceeded', `a function has at most ${mostOfFunction} event triggers`)
    if (ofAccount.length >= mostOfAccount)
      throw new WarrenError('limit_exceeded', `an organisation has at most ${mostOfAccount} event triggers`)
    const now = this.#deps.now()
    const values = {
      ...{ id: newId('t'), account_id: accountId, function_id: functionId, events: [...events], subject },
      ...{ paced_to: now, created_at: now },
    }
    // Who reads the outbox meanwhile must not find that there is none.
    this.#any = true
    const insertion = this.#deps.db.kysely.insertInto('function_event_triggers').values(values).returningAll()
    return toTrigger(await step('event_trigger.create', values.id, () => insertion.executeTakeFirstOrThrow()))
  }

  async list({ id }: FunctionRecord): Promise<EventTrigger[]> {
    return (await this.#all().where('function_id', '=', id).orderBy('created_at').execute()).map(toTrigger)
  }

  /** Throws `not_found` where the function has no such trigger. */
  async remove({ id: functionId }: FunctionRecord, id: string): Promise<void> {
    const deletion = this.#deps.db.kysely
      .deleteFrom('function_event_triggers')
      .where('id', '=', id)
      .where('function_id', '=', functionId)
    const { numDeletedRows } = await step('event_trigger.remove', id, () => deletion.executeTakeFirstOrThrow())
    if (numDeletedRows === 0n) throw new WarrenError('not_found', `there is no event trigger "${id.slice(0, 64)}"`)
  }

  #all(queries: Pick<Transaction<Tables>, 'selectFrom'> = this.#deps.db.kysely) {
    return queries.selectFrom('function_event_triggers').selectAll()
  }

  async #call(tx: Transaction<Tables>, events: RecordedEvent[]): Promise<number> {
    const accounts = [...new Set(events.map(({ accountId }) => accountId))]
    const triggers = accounts.length === 0 ? [] : await this.#all(tx).where('account_id', 'in', accounts).execute()
    const now = this.#deps.now()
    const calls: TriggeredCall[] = []
    for (const trigger of triggers.map(toTrigger)) {
      const wanted = events.filter(
        (event) => this.#deps.heardNouns.includes(nounOf(event.type)) && isForEvent(trigger, event),
      )
      const known = wanted.length > 0 && (await this.#deps.store.byId(trigger.functionId))
      if (!known) continue
      const { dueAt, pacedTo } = paced(trigger.pacedTo, wanted.length, now)
      const { accountId, functionId } = trigger
      wanted.forEach((event, at) => {
        const { version } = chooseVersion(known)
        calls.push({ accountId, functionId, version, event: platformEvent(event), dueAt: dueAt[at]! })
      })
      await tx.updateTable('function_event_triggers').set({ paced_to: pacedTo }).where('id', '=', trigger.id).execute()
    }
    await insertCalls(tx, 'event', calls)
    return calls.length
  }
}

function toTrigger(row: Selectable<FunctionEventTriggersTable>): EventTrigger {
  return {
    ...{ id: row.id, accountId: row.account_id, functionId: row.function_id, events: row.events },
    ...{ subject: row.subject ?? undefined, since: row.since, pacedTo: row.paced_to, createdAt: row.created_at },
  }
}
