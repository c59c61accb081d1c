import { hostname } from 'node:os'
import type { Logger } from './logger.ts'
import { rareWarning } from './rare-warning.ts'

/** What waits at most, in characters; of more the oldest is given up. */
const mostWaiting = 8 * 1024 * 1024
const mostAtOnce = 512 * 1024
/** Loki takes no line above 256 KB. */
const mostOfLine = 200_000
/** As many templates are labels: each makes a stream, and tenants name them. */
const mostTemplates = 100
const everyMs = 1_000
const mostPauseMs = 30_000
const patienceMs = 5_000
const warnEveryMs = 60_000

interface LokiOptions {
  /** Address of Loki, without `/loki/api/v1/push`. */
  url: string
  headers: Record<string, string>
}

interface Entry {
  /** Labels as JSON: one stream each. */
  stream: string
  value: [nanos: string, line: string, ids: Record<string, string>]
}

/**
 * Sends the lines of the log to Loki by its push API, in order. Nobody waits for it: while it cannot be reached lines wait, and what is more than
 * that, or what it refuses, is counted and given up. They are on standard error in any case.
 */
export class LokiPush {
  readonly #options: LokiOptions
  readonly #templates = new Set<string>()
  #waiting: Entry[] = []
  #size = 0
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #pauseMs = everyMs
  #isOver = false
  #warn: (reason: Error) => void = () => {}
  #lastNanos = 0n
  /** Lines that were given up since the start. */
  dropped = 0

  constructor(options: LokiOptions) {
    this.#options = options
  }

  /** Told once there is a log: what goes wrong here is in it. */
  warnBy(logger: Pick<Logger, 'warn'>): void {
    this.#warn = rareWarning(logger, { text: 'lines of the log are not in Loki yet', everyMs: warnEveryMs })
  }

  /** A line as it is written, JSON. */
  add(line: string): void {
    const entry = this.#entryOf(line)
    this.#waiting.push(entry)
    this.#size += entry.value[1].length
    while (this.#size > mostWaiting) this.#drop(1)
    this.#timer ??= setTimeout(() => this.#go(), this.#pauseMs).unref()
  }

  /** Sends what waits, once. */
  async close(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    await this.#sending
    while (this.#waiting.length > 0 && (await this.#sendNext()));
  }

  #go(): void {
    this.#sending ??= this.#sendNext().then((isWell) => {
      this.#sending = undefined
      this.#timer = undefined
      this.#pauseMs = isWell ? everyMs : Math.min(this.#pauseMs * 2, mostPauseMs)
      if (this.#waiting.length > 0 && !this.#isOver)
        this.#timer = setTimeout(() => this.#go(), isWell ? 0 : this.#pauseMs).unref()
    })
  }

  /** False when it is to be tried again. */
  async #sendNext(): Promise<boolean> {
    const batch = this.#next()
    const { url, headers } = this.#options
    try {
      const answer = await fetch(`${url}/loki/api/v1/push`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: bodyOf(batch),
        redirect: 'error',
        signal: AbortSignal.timeout(patienceMs),
      })
      const text = await answer.text()
      if (answer.ok) {
        this.#take(batch)
        return true
      }
      const error = new Error(`Loki answered ${answer.status}: ${text.slice(0, 200)}`)
      if (answer.status === 429 || answer.status >= 500) throw error
      // It will not take them another time either.
      this.dropped += this.#take(batch)
      this.#warn(error)
      return true
    } catch (error) {
      const { cause } = error as Error
      this.#warn(cause instanceof Error ? cause : (error as Error))
      return false
    }
  }

  /** At least one. */
  #next(): Entry[] {
    let size = 0
    let count = 0
    for (const { value } of this.#waiting) {
      size += value[1].length
      if (count > 0 && size > mostAtOnce) break
      count++
    }
    return this.#waiting.slice(0, count)
  }

  /** Takes off what does not wait any more; the oldest may have been given up meanwhile. Answers how many. */
  #take(batch: readonly Entry[]): number {
    const left = batch.indexOf(this.#waiting[0]!)
    if (left < 0) return 0
    const taken = this.#waiting.splice(0, batch.length - left)
    this.#size -= taken.reduce((sum, { value }) => sum + value[1].length, 0)
    return taken.length
  }

  #drop(count: number): void {
    for (const { value } of this.#waiting.splice(0, count)) this.#size -= value[1].length
    this.dropped += count
  }

  #entryOf(line: string): Entry {
    const { time, severity, template, sandbox_id, user_id, trace_id } = JSON.parse(line) as Record<string, unknown>
    const labels = { job: 'warren', host: hostname(), severity, ...this.#templateOf(template) }
    const ids = Object.entries({ sandbox_id, user_id, trace_id }).filter(([, id]) => typeof id === 'string')
    // Of one moment those that come later have a later time: so they stay in their order.
    const nanos = BigInt(Date.parse(String(time)) || Date.now()) * 1_000_000n
    this.#lastNanos = nanos > this.#lastNanos ? nanos : this.#lastNanos + 1n
    const text = line.trimEnd()
    const shown = text.length > mostOfLine ? `${text.slice(0, mostOfLine)}…` : text
    return { stream: JSON.stringify(labels), value: [String(this.#lastNanos), shown, Object.fromEntries(ids) as never] }
  }

  #templateOf(template: unknown): { template?: string } {
    if (typeof template !== 'string' || template === '') return {}
    if (this.#templates.size < mostTemplates) this.#templates.add(template)
    return { template: this.#templates.has(template) ? template.slice(0, 200) : 'other' }
  }
}

function bodyOf(batch: readonly Entry[]): string {
  const streams = Map.groupBy(batch, ({ stream }) => stream)
  return JSON.stringify({
    streams: [...streams].map(([stream, entries]) => ({
      stream: JSON.parse(stream),
      values: entries.map(({ value }) => value),
    })),
  })
}
