import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { AuditEntry } from './entry.ts'
import type { AuditJournal, Line } from './journal.ts'

/** Entries that one statement appends at most. */
const mostAtOnce = 500
/** Entries that wait for a database that does not answer. Past that the oldest are given up, and the log says so. */
const mostWaiting = 20_000
const retryMs = 1000
/** What nobody waits for goes together with what comes in so much later, milliseconds. */
const gatherMs = 200

/**
 * Appends to the audit log. What comes in while a statement is under way goes with the next one, so that many callers share
 * few commits. These writes are no steps of the crash suite: they happen beside the call that they tell of, on a clock of
 * their own.
 */
export class AuditLog {
  readonly #db: Pick<Database, 'pool'>
  readonly #logger: Logger
  readonly #journal: AuditJournal
  #waiting: Line[] = []
  #working: Promise<void> | undefined
  #next: NodeJS.Timeout | undefined
  #lost = false
  #closed = false

  constructor({ db, logger, journal }: { db: Pick<Database, 'pool'>; logger: Logger; journal: AuditJournal }) {
    this.#db = db
    this.#logger = logger
    this.#journal = journal
  }

  /** Appends what the process before this one had begun and not brought into the database. */
  async recover(): Promise<void> {
    const left = Map.groupBy(this.#journal.read(), ({ accountId }) => accountId)
    for (const [accountId, lines] of left) {
      const texts = lines.map(({ text }) => text)
      const earliest = Math.min(...texts.map((text) => (JSON.parse(text) as AuditEntry).at))
      const { rows } = await this.#db.pool.query<{ entry: string }>(
        'select entry from audit_log where account_id = $1 and at_ms >= $2 and entry = any($3)',
        [accountId, earliest, texts],
      )
      const known = new Set(rows.map(({ entry }) => entry))
      this.#waiting.push(...lines.filter(({ text }) => !known.has(text)))
    }
    await this.flush()
  }

  /**
   * Takes in what is about to be done, without waiting for the database: it will be in the log whatever happens to this
   * process. Throws where that cannot be had: then it must not be done.
   */
  begin(accountId: string, entry: AuditEntry): void {
    const line = { accountId, text: textOf(entry) }
    this.#journal.add(line)
    this.#add(line)
  }

  /** Takes the entry in; it is in the log a moment later. */
  tell(accountId: string, entry: AuditEntry): void {
    this.#add({ accountId, text: textOf(entry) })
  }

  /** Brings all that was told into the log, or finds that the database does not take it now. */
  async flush(): Promise<void> {
    await this.#working
    if (this.#waiting.length > 0) await this.#start()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
    clearTimeout(this.#next)
    if (this.#waiting.length > 0) this.#logger.error({ entries: this.#waiting.length }, 'audit entries were lost')
    else if (!this.#lost) this.#journal.clear()
    this.#journal.close()
  }

  #add(line: Line): void {
    this.#waiting.push(line)
    if (this.#waiting.length > mostWaiting) {
      this.#waiting.shift()
      // What was begun is still in the journal.
      if (!this.#lost) this.#logger.error('audit entries are lost: the database has not answered for too long')
      this.#lost = true
    }
    if (!this.#working) this.#startAfter(gatherMs)
  }

  #startAfter(ms: number): void {
    this.#next ??= setTimeout(() => void this.#start(), ms).unref()
  }

  #start(): Promise<void> {
    clearTimeout(this.#next)
    this.#next = undefined
    this.#working ??= this.#append().finally(() => {
      this.#working = undefined
    })
    return this.#working
  }

  async #append(): Promise<void> {
    // What comes in meanwhile is gathered for the next time, else a busy caller would have a statement for each call.
    for (let left = this.#waiting.length; left > 0 && this.#waiting.length > 0; ) {
      const { accountId } = this.#waiting[0]!
      const batch = this.#waiting.filter((one) => one.accountId === accountId).slice(0, mostAtOnce)
      const taken = new Set(batch)
      left -= batch.length
      this.#waiting = this.#waiting.filter((one) => !taken.has(one))
      try {
        await this.#db.pool.query({
          name: 'audit-append',
          text: 'select append_audit($1, $2)',
          values: [accountId, batch.map(({ text }) => text)],
        })
      } catch (error) {
        this.#logger.warn({ reason: (error as Error).message, entries: batch.length }, 'the audit log waits')
        this.#waiting = [...batch, ...this.#waiting]
        if (!this.#closed) this.#startAfter(retryMs)
        return
      }
    }
    if (this.#closed) return
    if (this.#waiting.length > 0) return this.#startAfter(gatherMs)
    if (!this.#lost) return this.#journal.done()
    this.#lost = false
    setImmediate(() => void this.recover().catch(() => (this.#lost = true)))
  }
}

/** Not more than a screen of it: what a caller sends must not fill the log. PostgreSQL's JSON has no NUL. */
function textOf(entry: AuditEntry): string {
  const short = (_name: string, value: unknown) =>
    typeof value === 'string' ? value.slice(0, 300).replaceAll('\0', '�').toWellFormed() : value
  return JSON.stringify(entry, short)
}
