import type { BuildLogEntry } from '../template.ts'
import type { TemplateRecords } from '../template-records.ts'

/** Kept of one build; what comes after is not. */
const mostEntries = 20_000
const longestLine = 8_192
const writeEveryMs = 200

/** What a build says, line by line, written to the database in batches and in order. */
export class BuildLog {
  readonly #records: TemplateRecords
  readonly #buildId: string
  readonly #now: () => Date
  #waiting: BuildLogEntry[] = []
  #seq = 0
  #writing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  /** The last thing said that is not a program's output. */
  #progress = ''

  constructor(records: TemplateRecords, buildId: string, now: () => Date) {
    this.#records = records
    this.#buildId = buildId
    this.#now = now
  }

  get progress(): string {
    return this.#progress
  }

  say(message: string, options: { level?: BuildLogEntry['level']; step?: string } = {}): void {
    this.#progress = message
    this.#add(message, options.level ?? 'info', options.step)
  }

  /** A reader of one stream of a program: feed it with the chunks, and at the end with nothing. */
  lines(level: BuildLogEntry['level'], step: string, prefix = ''): (chunk?: Buffer) => void {
    const decoder = new TextDecoder()
    let rest = ''
    return (chunk) => {
      rest += chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode()
      const lines = rest.split(/\r?\n/)
      rest = chunk ? (lines.pop() ?? '') : ''
      if (rest.length > longestLine) {
        lines.push(rest)
        rest = ''
      }
      for (const line of lines) if (chunk || line) this.#add(prefix + line, level, step)
    }
  }

  /** Writes what has not been written yet. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const entries = this.#waiting
    this.#waiting = []
    if (entries.length > 0) {
      const seq = this.#seq
      this.#seq += entries.length
      this.#writing = this.#writing.then(() => this.#records.log(this.#buildId, seq, entries)).catch(() => {})
    }
    await this.#writing
  }

  #add(message: string, level: BuildLogEntry['level'], step: string | undefined): void {
    const room = mostEntries - this.#seq - this.#waiting.length
    if (room <= 0) return
    // A database keeps no zero bytes in text.
    const text = room === 1 ? 'what the build says from here on is not kept' : message.replaceAll('\0', '\ufffd')
    this.#waiting.push({ at: this.#now(), level, step, message: text.slice(0, longestLine) })
    this.#timer ??= setTimeout(() => void this.flush(), writeEveryMs).unref()
  }
}
