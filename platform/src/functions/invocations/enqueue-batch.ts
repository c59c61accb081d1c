import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'

export interface WaitingCall {
  id: string
  accountId: string
  functionId: string
  version: number
  trigger: string
  payload: Buffer
  more: object
  now: Date
}

interface Entry {
  call: WaitingCall
  resolve: () => void
  reject: (error: unknown) => void
}

const mostAtOnce = 500

/** Records calls that came in at the same time with one statement: a commit costs as much for one as for many. */
export class EnqueueBatch {
  readonly #db: Database
  #entries: Entry[] = []
  #writing = 0

  constructor(db: Database) {
    this.#db = db
  }

  /** Resolves when the call lasts. */
  add(call: WaitingCall): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#entries.push({ call, resolve, reject })
      // While two are under way, the next one gathers.
      if (this.#writing < 2) void this.#write()
    })
  }

  async #write(): Promise<void> {
    this.#writing++
    await Promise.resolve()
    const entries = this.#entries.splice(0, mostAtOnce)
    try {
      if (entries.length > 0) await this.#insert(entries.map(({ call }) => call))
      for (const { resolve } of entries) resolve()
    } catch (error) {
      for (const { reject } of entries) reject(error)
    }
    this.#writing--
    if (this.#entries.length > 0) void this.#write()
  }

  async #insert(calls: WaitingCall[]): Promise<void> {
    const statement = {
      name: 'function-enqueue',
      text: `insert into function_invocations (id, account_id, function_id, version, trigger, payload, retry, due_at, created_at, state)
        select *, 'waiting' from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bytea[], $7::jsonb[],
          $8::timestamptz[], $8::timestamptz[])`,
      values: [
        calls.map(({ id }) => id),
        calls.map(({ accountId }) => accountId),
        calls.map(({ functionId }) => functionId),
        calls.map(({ version }) => version),
        calls.map(({ trigger }) => trigger),
        calls.map(({ payload }) => payload),
        calls.map(({ more }) => JSON.stringify(more)),
        calls.map(({ now }) => now.toISOString()),
      ],
    }
    await step('function.enqueue', calls[0]!.id, () => this.#db.pool.query(statement))
  }
}
