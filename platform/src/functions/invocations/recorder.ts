import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
import { step } from '../../lib/step.ts'
import type { RecordUsage, UsageFact } from '../../metering/usage-fact.ts'
import type { Database, Queries } from '../../storage/database.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { storableJson } from '../worker/payloads.ts'
import { type EndedCall, type Follow, stateAfter } from './record.ts'

interface RecorderDeps {
  db: Database
  home: string
  recordUsage: RecordUsage
  logger: Logger
  /** Adds to calls what is known of them by the time they are recorded. */
  complete: (calls: readonly EndedCall[]) => Promise<void>
  /** Told of a call once its end lasts. */
  onEnded: (call: EndedCall) => void
  /** Told of calls once the database has them. */
  onRecorded: (calls: readonly EndedCall[]) => void
}

/**
 * Calls wait so long for others to be written with, milliseconds: those that something follows from less than those whose
 * caller has the answer.
 */
const batchMs = { queued: 10, direct: 100 }
const mostAtOnce = 1000
/** So many do not wait for more: what lives long costs more to keep. */
const manyCalls = 256
const retryMs = 1000
/** Who reads waits so long for what has ended to be in the database, milliseconds. */
const settleMs = 2000

/**
 * Writes what has ended, with its use, in one transaction for many calls. Before a caller has its answer the end is in a
 * file, so that nothing is lost or counted twice when the platform is killed in between: the file is read at the next start.
 */
export class Recorder {
  readonly #deps: RecorderDeps
  readonly #folder: string
  /** One takes what ends while the other is being written to the database. */
  readonly #files: number[] = []
  #current = 0
  #pending: EndedCall[] = []
  /** On their way into the file. */
  #ending: EndedCall[] = []
  #keeping: Promise<void> | undefined
  /** On their way into the database. */
  #writing: readonly EndedCall[] = []
  #flushing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #closed = false

  constructor(deps: RecorderDeps) {
    this.#deps = deps
    this.#folder = join(deps.home, 'functions', 'ended')
  }

  /** Writes what an earlier process did not come to write. */
  async open(): Promise<void> {
    await step('home.make', this.#folder, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }))
    for (const name of ['0', '1']) {
      const path = join(this.#folder, name)
      const file = await step('function.ended_file', path, async () => openSync(path, 'a+', 0o600))
      this.#files.push(file)
      const left = readFileSync(path, 'utf8').split('\n').flatMap(readLine)
      for (let from = 0; from < left.length; from += mostAtOnce) await this.#record(left.slice(from, from + mostAtOnce))
      await this.#empty(file)
    }
  }

  /** After this the end of the call lasts. */
  async add(call: EndedCall): Promise<void> {
    if (this.#closed) throw new Error('the recorder is closed')
    this.#ending.push(call)
    this.#keeping ??= this.#keep()
    await this.#keeping
    this.#deps.onEnded(call)
  }

  /** Writes what ends in one turn of the loop at once: for many calls that costs as much as for one. */
  async #keep(): Promise<void> {
    await new Promise<void>((resolve) => process.nextTick(resolve))
    const calls = this.#ending
    this.#ending = []
    this.#keeping = undefined
    // Each begins a line, so that what a full disk cuts off takes none of the next along.
    const lines = calls.map((call) => `\n${JSON.stringify(call)}`).join('')
    await step('function.end', calls[0]!.id, async () => {
      writeFileSync(this.#files[this.#current]!, lines)
      for (const call of calls) this.#pending.push(call)
    })
    const isQueued = calls.some(({ queued }) => queued)
    this.#flushIn(this.#pending.length >= manyCalls ? 0 : isQueued ? batchMs.queued : batchMs.direct)
  }

  /** Waits until the calls of an account that have ended can be read, for a while. */
  async settle(accountId: string): Promise<void> {
    const isOf = (calls: readonly EndedCall[]) => calls.some((call) => call.accountId === accountId)
    if (!isOf(this.#pending) && !isOf(this.#writing)) return
    await Promise.race([this.flush(), sleep(settleMs, undefined, { ref: false })])
  }

  /** Resolves when all that was added is in the database. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#dueAt = Number.POSITIVE_INFINITY
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#pending.length === 0) return
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
      this.#writing = []
      if (this.#pending.length > 0 && !this.#closed) this.#flushIn(batchMs.queued)
    })
    await this.#flushing
  }

  #flushIn(ms: number): void {
    const at = performance.now() + ms
    // Each call moving the timer would cost more than the timer.
    if (this.#dueAt <= at + 1) return
    clearTimeout(this.#timer)
    this.#dueAt = at
    this.#timer = setTimeout(() => void this.flush(), ms)
  }

  #empty(file: number): Promise<void> {
    return step('function.ended_clear', this.#folder, async () => ftruncateSync(file))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#keeping
    await this.flush()
    for (const file of this.#files) {
      fsyncSync(file)
      closeSync(file)
    }
  }

  async #flush(): Promise<void> {
    const calls = this.#pending
    this.#pending = []
    this.#writing = calls
    const file = this.#files[this.#current]!
    this.#current = 1 - this.#current
    await this.#deps.complete(calls)
    for (let from = 0; from < calls.length; from += mostAtOnce) {
      const some = calls.slice(from, from + mostAtOnce)
      for (;;) {
        try {
          await this.#record(some)
          break
        } catch (error) {
          this.#deps.logger.error({ err: error }, 'calls of functions could not be recorded; it is tried again')
          // What is in the file is found at the next start.
          if (this.#closed) return
          await sleep(retryMs)
        }
      }
    }
    await this.#empty(file)
  }

  /** One that the database cannot take holds up no other: it is recorded as failed, and nothing follows from it. */
  async #record(calls: readonly EndedCall[]): Promise<void> {
    try {
      await this.#write(calls)
    } catch (error) {
      if (!isOfData(error)) throw error
      if (calls.length > 1) for (const call of calls) await this.#record([call])
      else if (calls[0]!.failure?.message === unrecordable) throw error
      else {
        this.#deps.logger.error({ err: error, invocation: calls[0]!.id }, unrecordable)
        await this.#record([unrecorded(calls[0]!)])
      }
    }
  }

  async #write(calls: readonly EndedCall[]): Promise<void> {
    if (calls.length === 0) return
    const { db, recordUsage } = this.#deps
    const direct = calls.filter(({ queued }) => !queued)
    const queued = calls.filter(({ queued }) => queued)
    await step('function.record', calls[0]!.id, async () => {
      if (direct.length > 0) await this.#insert(direct)
      if (queued.length === 0) return
      await db.transaction(async (tx) => {
        await this.#settle(tx, queued)
        await recordUsage(tx, queued.map(factOf))
      })
    })
    this.#deps.onRecorded(calls)
  }

  /** Calls and their facts in one statement, and as one value: the columns of both are members of the same objects. */
  async #insert(calls: readonly EndedCall[]): Promise<void> {
    const { db, recordUsage } = this.#deps
    await db.pool.query({
      name: 'function-record',
      text: `with recorded as (${insertion}) ${recordUsage.within('$1', 'true')}`,
      values: [storableJson(calls.map(rowOf))],
    })
  }

  /** Follows only from what was not settled before. */
  async #settle(tx: Queries, calls: readonly EndedCall[]): Promise<void> {
    const { rows } = await change(calls).execute(tx)
    const settled = new Set(rows.map(({ id }) => id))
    for (const { id, queued } of calls)
      if (queued?.follow && settled.has(id)) await following(queued.follow).execute(tx)
    const concerned = new Set(calls.flatMap(suspensionsOf))
    if (concerned.size > 0) await resume(tx, [...concerned].sort())
  }
}

const unrecordable = 'what the call came to could not be recorded'

/** SQLSTATE class 22, data exception: what was given cannot be stored, however often it is tried. */
function isOfData(error: unknown): boolean {
  return String((error as { code?: string }).code).startsWith('22')
}

function unrecorded({ result: _result, head: _head, queued, ...call }: EndedCall): EndedCall {
  const { parent } = queued ?? {}
  const failure = { reason: 'error' as const, message: unrecordable }
  return { ...call, log: '', failure, ...(queued && { queued: parent === undefined ? {} : { parent } }) }
}

/** Does nothing where the function or the queue is not there any more. */
function following(follow: Follow): RawBuilder<unknown> {
  const { accountId, callId, payload } = follow
  if ('queue' in follow)
    return sql`insert into queue_messages (queue_id, body, visible_at, enqueued_at)
      select id, ${payload}::jsonb, now(), now() from queues where account_id = ${accountId} and name = ${follow.queue}`
  return sql`insert into function_invocations (id, account_id, function_id, version, trigger, state, payload, due_at, created_at)
    select ${callId}, account_id, id, (live -> 0 ->> 'version')::int, 'destination', 'waiting', ${Buffer.from(payload)}, now(), now()
    from functions where account_id = ${accountId} and name = ${follow.function}`
}

/** Suspended calls that the end of this one may concern. */
function suspensionsOf({ id, queued }: EndedCall): string[] {
  if (queued?.suspended) return [id]
  return queued?.parent !== undefined && queued.retryAt === undefined ? [queued.parent] : []
}

/** Of these calls, those that waited and have nothing left to wait for are due. */
async function resume(tx: Queries, ids: readonly string[]): Promise<void> {
  // Whoever comes second sees what the first one has ended: without that each could take the other's for unended.
  await sql`select from function_invocations where id = any(${ids}) and state = 'suspended' order by id for update`.execute(
    tx,
  )
  await sql`update function_invocations as call set due_at = now()
    where id = any(${ids}) and state = 'suspended' and due_at is null
      and not exists (select from function_invocations made where made.parent_id = call.id and made.ended_at is null)`.execute(
    tx,
  )
}

/** The last line of a process that was killed may be cut off: its call was not answered. */
function readLine(line: string): EndedCall[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as EndedCall]
  } catch {
    return []
  }
}

/** Many rows as one value, which costs less to write and to read than a list for each column. */
function rowsOf(rows: readonly object[], columns: string): RawBuilder<unknown> {
  return sql`json_to_recordset(${storableJson(rows)}::json) as ended (${sql.raw(columns)})`
}

const time = (ms: string) => sql.raw(`to_timestamp(${ms} / 1000.0)`)

const insertion = `insert into function_invocations (id, account_id, function_id, version, trigger, attempt, state, error, log, cold, created_at,
    started_at, ended_at, billed_ms, cpu_ms, peak_mb)
  select id, "accountId", subject, version, trigger, attempt, case when failure is null then 'succeeded' else 'failed' end, failure,
    log, cold, to_timestamp("createdAt" / 1000.0), to_timestamp("startedAt" / 1000.0), to_timestamp("endedAt" / 1000.0), "billedMs",
    "cpuMs", "peakMb"
  from json_to_recordset($1::json) as ended (id text, "accountId" text, subject text, version int, trigger text, attempt int, failure jsonb,
    log text, cold boolean, "createdAt" bigint, "startedAt" bigint, "endedAt" bigint, "billedMs" bigint, "cpuMs" bigint, "peakMb" real)
  on conflict (id) do nothing`

/** What is known of a call, and its fact of use, in one object. */
function rowOf(call: EndedCall): object {
  return {
    id: call.id,
    key: keyOf(call),
    accountId: call.accountId,
    kind: 'function',
    subject: call.functionId,
    version: call.version,
    trigger: call.trigger,
    attempt: call.attempt,
    failure: call.failure,
    log: call.log,
    cold: call.cold,
    createdAt: call.createdAt,
    startedAt: call.startedAt,
    endedAt: Math.max(call.endedAt, call.startedAt),
    billedMs: call.billedMs,
    cpuMs: call.cpuMs,
    memoryMbMs: call.memoryMb * call.billedMs,
    peakMb: call.peakMb,
    attributes: attributesOf(call),
  }
}

function change(calls: readonly EndedCall[]) {
  const rows = calls.map(({ queued, failure, endedAt, ...call }) => ({
    ...call,
    failure,
    state: stateAfter({ queued, failure }),
    endedAt: hasEnded(queued) ? endedAt : undefined,
    retryAt: queued?.retryAt,
  }))
  const columns = `id text, attempt int, state text, failure jsonb, log text, cold boolean, result text, head jsonb,
    "startedAt" bigint, "endedAt" bigint, "billedMs" bigint, "cpuMs" bigint, "peakMb" real, "retryAt" bigint`
  return sql<{ id: string }>`
    update function_invocations as call set
      state = ended.state, error = failure, log = ended.log, cold = ended.cold, result = decode(ended.result, 'base64'), head = ended.head,
      http = case when "endedAt" is null then call.http end,
      started_at = ${time('"startedAt"')}, ended_at = ${time('"endedAt"')}, billed_ms = coalesce(call.billed_ms, 0) + "billedMs",
      cpu_ms = coalesce(call.cpu_ms + "cpuMs", call.cpu_ms, "cpuMs"), peak_mb = greatest(call.peak_mb, "peakMb"),
      due_at = ${time('"retryAt"')}, runner = null
    from ${rowsOf(rows, columns)}
    where call.id = ended.id and call.attempt = ended.attempt and call.state = 'running'
    returning call.id`
}

const hasEnded = (queued: EndedCall['queued']) => queued?.retryAt === undefined && !queued?.suspended

/** One fact for each attempt, which has its memory while it runs. */
function factOf(call: EndedCall): UsageFact {
  return {
    key: keyOf(call),
    accountId: call.accountId,
    kind: 'function',
    subject: call.functionId,
    startedAt: new Date(call.startedAt),
    endedAt: new Date(Math.max(call.endedAt, call.startedAt)),
    cpuMs: call.cpuMs ?? 0,
    memoryMbMs: call.memoryMb * call.billedMs,
    attributes: attributesOf(call),
  }
}

const keyOf = ({ id, attempt }: EndedCall) => (attempt <= 1 ? id : `${id}/${attempt}`)

function attributesOf(call: EndedCall): Record<string, string> {
  const attributes: Record<string, string> = {
    function: call.functionName,
    version: String(call.version),
    trigger: call.trigger,
    billedMs: String(call.billedMs),
    bytesIn: String(call.bytesIn),
    bytesOut: String(call.bytesOut),
  }
  if (call.cold) attributes.cold = 'true'
  if (call.failure) attributes.failure = call.failure.reason
  return attributes
}
