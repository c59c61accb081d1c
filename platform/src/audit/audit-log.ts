import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { AuditEntry } from './entry.ts'

/** Entries that one statement appends at most. */
const mostAtOnce = 500
/** Entries that wait for a database that does not answer. Past that the oldest are given up, and the log says so. */
const mostWaiting = 20_000
const retryMs = 1000

interface Waiting {
  accountId: string
  text: string
  /** Of who waits for it to be there; without one it is tried again until it is. */
  settle?: { resolve: () => void; reject: (error: unknown) => void }
}

/**
 * Appends to the audit log. What comes in while a statement is under way goes with the next one, so that many callers share
 * few commits. These writes are no steps of the crash suite: they happen beside the call that they tell of, on a clock of
 * their own.
 */
export class AuditLog {
  readonly #db: Pick<Database, 'pool'>
  readonly #logger: Logger
  #waiting: Waiting[] = []
  #working: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #closed = false

  constructor({ db, logger }: { db: Pick<Database, 'pool'>; logger: Logger }) {
    this.#db = db
    this.#logger = logger
  }

  /** Resolves when the entry is in the log. Throws where it cannot be written: then what it tells of must not be done. */
  record(accountId: string, entry: AuditEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#add({ accountId, text: textOf(entry), settle: { resolve, reject } })
    })
  }

  /** Takes the entry in; it is in the log a moment later. */
  tell(accountId: string, entry: AuditEntry): void {
    this.#add({ accountId, text: textOf(entry) })
  }

  /** Waits until all that was told is in the log. */
  async flush(): Promise<void> {
    for (let work = this.#working; work !== undefined; work = this.#working) await work
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#start()
    await this.flush()
    if (this.#waiting.length > 0) this.#logger.error({ entries: this.#waiting.length }, 'audit entries were lost')
  }

  #add(entry: Waiting): void {
    this.#waiting.push(entry)
    if (this.#waiting.length > mostWaiting) {
      const [lost] = this.#waiting.splice(0, 1)
      lost?.settle?.reject(new Error('the audit log is full'))
      this.#logger.error('an audit entry was lost: the database has not answered for too long')
    }
    if (!this.#retry) this.#start()
  }

  #start(): void {
    if (this.#working || this.#waiting.length === 0) return
    this.#working = this.#append().finally(() => {
      this.#working = undefined
      if (!this.#retry && !this.#closed) this.#start()
    })
  }

  async #append(): Promise<void> {
    // Everything of the same turn of the event loop goes together.
    await null
    while (this.#waiting.length > 0) {
      const { accountId } = this.#waiting[0]!
      const batch = this.#waiting.filter((one) => one.accountId === accountId).slice(0, mostAtOnce)
      const taken = new Set(batch)
      this.#waiting = this.#waiting.filter((one) => !taken.has(one))
      try {
        const texts = batch.map(({ text }) => text)
        await this.#db.pool.query({
          name: 'audit-append',
          text: 'select append_audit($1, $2)',
          values: [accountId, texts],
        })
        for (const { settle } of batch) settle?.resolve()
      } catch (error) {
        for (const { settle } of batch) settle?.reject(error)
        return this.#tryLater(
          batch.filter(({ settle }) => !settle),
          error as Error,
        )
      }
    }
  }

  #tryLater(batch: Waiting[], { message }: Error): void {
    this.#logger.warn({ reason: message, entries: batch.length }, 'audit entries wait for the database')
    this.#waiting = [...batch, ...this.#waiting]
    if (this.#closed) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#start()
    }, retryMs).unref()
  }
}

/** Not more than a screen of it: what a caller sends must not fill the log. PostgreSQL's JSON has no NUL. */
function textOf(entry: AuditEntry): string {
  const short = (_name: string, value: unknown) =>
    typeof value === 'string' ? value.slice(0, 300).replaceAll('\0', '�').toWellFormed() : value
  return JSON.stringify(entry, short)
}
