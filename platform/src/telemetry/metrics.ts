import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { type Cursor, endOfEvents, readEvents } from '../events/outbox.ts'
import type { Database } from '../storage/database.ts'
import { addFunctionMetrics, type FunctionSeries } from './function-metrics.ts'
import { RequestDurations } from './request-durations.ts'

/** What the platform knows of itself at this moment, and the database does not. */
export interface Present {
  /** The busiest running sandboxes, at most so many. */
  busiest(most: number): { id: string; cpuPercent: number; memoryBytes: number }[]
  poolReady(): number
  /** Starts of sandboxes that wait for a place. */
  startsWaiting(): { urgent: number; background: number }
  spansDropped(): number
  logLinesDropped(): number
  functions(): FunctionFigures
  /**
   * Whether what the database says is told here: all nodes would say the same of it, and sums over them were too much. The platform tells it, its
   * workers do not.
   */
  tellsDatabase: boolean
  /** Of functions one by one, of a bounded number of them; lengths of calls by ranges that end there. */
  eachFunction: { read: () => readonly FunctionSeries[]; durationsMs: readonly number[] }
}

/** Of the calls of functions since the start, and of their instances now. */
export interface FunctionFigures {
  invocations: number
  errors: number
  coldStarts: number
  throttles: number
  totalMs: number
  instances: number
  frozen: number
  calls: number
  waiting: number
  workersReady: number
}

/** As many sandboxes and templates have a series of their own: a tenant must not fill the memory of whoever collects. */
const mostSandboxes = 100
const mostTemplates = 100
const mostEventsAtOnce = 5_000
const states = ['starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'failed'] as const

/** Of what lasts, seconds. */
const lives = [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400]

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])

/** Figures in the form of Prometheus. What happened is counted from the outbox when somebody asks, since this process started. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #db: Database
  readonly #present: Present
  readonly #requests: RequestDurations
  readonly #upgraded: Histogram<'route'>
  readonly #open: Gauge<'route'>
  readonly #durations: Histogram<'template'>
  readonly #starts: Counter<'driver' | 'warm'>
  readonly #ends: Counter<'reason'>
  readonly #templates = new Set<string>()
  #cursor: Cursor | undefined
  #reading: Promise<string> | undefined

  constructor(db: Database, present: Present) {
    this.#db = db
    this.#present = present
    const registers = [this.#registry]
    const ofDatabase = present.tellsDatabase ? registers : []
    collectDefaultMetrics({ register: this.#registry })
    this.#requests = new RequestDurations(this.#registry)
    this.#upgraded = new Histogram({
      ...{ name: 'websocket_duration_seconds', help: 'How long WebSockets that were closed had been open.', registers },
      labelNames: ['route'],
      buckets: lives,
    })
    this.#open = new Gauge({
      ...{ name: 'websocket_connections', help: 'WebSockets that are open.', registers },
      labelNames: ['route'],
    })
    this.#durations = new Histogram({
      ...{ name: 'sandbox_duration_seconds', help: 'How long sandboxes that ended had lived.', registers: ofDatabase },
      labelNames: ['template'],
      buckets: lives,
    })
    this.#starts = new Counter({
      ...{
        name: 'sandbox_starts_total',
        help: 'Sandboxes that started; warm ones came from the pool.',
        registers: ofDatabase,
      },
      labelNames: ['driver', 'warm'],
    })
    this.#ends = new Counter({
      ...{ name: 'sandbox_ends_total', help: 'Sandboxes that ended or failed, by reason.', registers: ofDatabase },
      labelNames: ['reason'],
    })
    this.#gauge(
      'sandbox_cpu_usage_percent',
      'Share of the processor time it may use, of the busiest.',
      ['sandbox_id'],
      (gauge) => {
        for (const { id, cpuPercent } of present.busiest(mostSandboxes)) gauge.set({ sandbox_id: id }, cpuPercent)
      },
    )
    this.#gauge('sandbox_memory_usage_bytes', 'Memory in use, of the busiest.', ['sandbox_id'], (gauge) => {
      for (const { id, memoryBytes } of present.busiest(mostSandboxes)) gauge.set({ sandbox_id: id }, memoryBytes)
    })
    this.#gauge('trace_spans_dropped', 'Spans that were not exported since the start.', [], (gauge) =>
      gauge.set(this.#present.spansDropped()),
    )
    this.#gauge('log_lines_dropped', 'Lines of the log that were not sent to Loki since the start.', [], (gauge) =>
      gauge.set(this.#present.logLinesDropped()),
    )
    this.#gauge('sandbox_pool_ready', 'Sandboxes that wait in warm pools.', [], (gauge) =>
      gauge.set(this.#present.poolReady()),
    )
    const startsHelp =
      'Starts of sandboxes that wait for a place: urgent, somebody waits for it; background, for the warm pool.'
    this.#gauge('sandbox_starts_waiting', startsHelp, ['urgency'], (gauge) => {
      for (const [urgency, count] of Object.entries(present.startsWaiting())) gauge.set({ urgency }, count)
    })
    this.#countFunctions()
    addFunctionMetrics(this.#registry, present.eachFunction)
    if (present.tellsDatabase) {
      this.#tellDatabase()
      this.#tellQueue()
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  answered(
    { method, route, status }: { method: string; route: string; status: number | string },
    seconds: number,
  ): void {
    // In HTTP/2 a method is any word of the client's.
    const known = methods.has(method) ? method : 'other'
    this.#requests.observe({ method: known, route, status: String(status) }, seconds)
  }

  /** A connection of this route speaks another protocol from now on; call what this answers when it is closed. */
  upgraded(route: string): () => void {
    const startedAt = performance.now()
    this.#open.inc({ route })
    return () => {
      this.#open.dec({ route })
      this.#upgraded.observe({ route }, (performance.now() - startedAt) / 1000)
    }
  }

  /** From now on what happens is counted. */
  async start(): Promise<void> {
    if (this.#present.tellsDatabase) this.#cursor = await endOfEvents(this.#db)
  }

  /** Of several that ask at once all get the same. */
  read(): Promise<string> {
    this.#reading ??= this.#collect().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #collect(): Promise<string> {
    await this.#countEvents()
    return this.#registry.metrics()
  }

  async #countEvents(): Promise<void> {
    for (let read = 0; this.#cursor && read < 20; read++) {
      const types = ['sandbox.created', 'sandbox.stopped', 'sandbox.failed']
      const events = await readEvents(this.#db.kysely, this.#cursor, mostEventsAtOnce, { types })
      const ended: string[] = []
      for (const event of events) {
        if (event.type === 'sandbox.created')
          this.#starts.inc({ driver: event.data.driver, warm: String(event.data.warm) })
        else if (event.type === 'sandbox.stopped' || event.type === 'sandbox.failed')
          this.#ends.inc({ reason: event.data.reason })
        if (event.type === 'sandbox.stopped') ended.push(event.subject)
      }
      await this.#observeLives(ended)
      this.#cursor = events.at(-1)?.cursor ?? this.#cursor
      if (events.length < mostEventsAtOnce) return
    }
  }

  async #observeLives(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const { rows } = await this.#db.pool.query<{ template: string; seconds: string }>({
      name: 'metrics-lives',
      text: `select template, extract(epoch from ended_at - created_at) as seconds from sandboxes
        where id = any($1) and ended_at is not null`,
      values: [ids],
    })
    for (const { template, seconds } of rows) {
      if (this.#templates.size < mostTemplates) this.#templates.add(template)
      this.#durations.observe({ template: this.#templates.has(template) ? template : 'other' }, Number(seconds))
    }
  }

  #tellDatabase(): void {
    const { pool } = this.#db
    this.#gauge('sandbox_count', 'Sandboxes by status.', ['status'], async (gauge) => {
      const { rows } = await pool.query<{ state: string; count: number }>({
        name: 'metrics-sandboxes',
        text: 'select state, count(*) from sandboxes where ended_at is null group by state',
      })
      for (const status of states) gauge.set({ status }, rows.find(({ state }) => state === status)?.count ?? 0)
    })
    this.#gauge('webhook_deliveries', 'Deliveries of events by state.', ['state'], async (gauge) => {
      const { rows } = await pool.query<{ state: string; count: number }>({
        name: 'metrics-webhooks',
        text: 'select state, count(*) from webhook_deliveries group by state',
      })
      for (const state of ['waiting', 'delivered', 'dead'])
        gauge.set({ state }, rows.find((row) => row.state === state)?.count ?? 0)
    })
  }

  /** By an index of what waits, however many calls have ended. */
  #tellQueue(): void {
    const { pool } = this.#db
    const help = 'Asynchronous calls of functions that wait: due now, or later.'
    this.#gauge('function_queue_calls', help, ['state'], async (gauge) => {
      const { rows } = await pool.query<{ due: number; all: number }>({
        name: 'metrics-queue',
        text: `select count(*) filter (where due_at <= now()) as due, count(*) as all
          from function_invocations where state = 'waiting'`,
      })
      const { due, all } = rows[0]!
      gauge.set({ state: 'due' }, due)
      gauge.set({ state: 'later' }, all - due)
    })
    this.#gauge('function_queue_late_seconds', 'How long the oldest call that is due waits.', [], async (gauge) => {
      const { rows } = await pool.query<{ seconds: number | null }>({
        name: 'metrics-queue-late',
        text: `select extract(epoch from now() - min(due_at))::float8 as seconds
          from function_invocations where state = 'waiting' and due_at <= now()`,
      })
      gauge.set(rows[0]!.seconds ?? 0)
    })
  }

  #countFunctions(): void {
    const { functions } = this.#present
    for (const [name, help, count] of [
      ['function_invocations_total', 'Calls of functions that ended.', () => functions().invocations],
      ['function_errors_total', 'Calls of functions that failed.', () => functions().errors],
      ['function_cold_starts_total', 'Calls that waited for an instance to start.', () => functions().coldStarts],
      ['function_throttles_total', 'Calls that were refused for want of room.', () => functions().throttles],
      ['function_duration_seconds_total', 'How long calls took, together.', () => functions().totalMs / 1000],
    ] as const)
      new Counter({
        ...{ name, help, registers: [this.#registry] },
        collect() {
          this.reset()
          this.inc(count())
        },
      })
    this.#gauge(
      'function_instances',
      'Instances of functions, and those of them that are frozen.',
      ['state'],
      (gauge) => {
        const { instances, frozen } = functions()
        gauge.set({ state: 'frozen' }, frozen)
        gauge.set({ state: 'thawed' }, instances - frozen)
      },
    )
    this.#gauge('function_calls', 'Calls of functions that run, and that wait for an instance.', ['state'], (gauge) => {
      const { calls, waiting } = functions()
      gauge.set({ state: 'running' }, calls)
      gauge.set({ state: 'waiting' }, waiting)
    })
    this.#gauge('function_workers_ready', 'Workers without code that wait for functions.', [], (gauge) =>
      gauge.set(functions().workersReady),
    )
  }

  #gauge(name: string, help: string, labelNames: string[], set: (gauge: Gauge) => void | Promise<void>): void {
    new Gauge({
      ...{ name, help, labelNames, registers: [this.#registry] },
      async collect() {
        this.reset()
        await set(this)
      },
    })
  }
}
