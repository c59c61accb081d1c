import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { step } from '../../lib/step.ts'
import { syncFolder } from '../../lib/sync-folder.ts'
import { decodeLog, encodeRecord, type LogRecord } from './record-format.ts'

interface Opened {
  log: ExperienceLog
  records: LogRecord[]
  /** Bytes that were torn off at the end by a crash, and are cut away now. */
  cut: number
  /** Bytes in the middle that cannot be read, and are left as they are. */
  damaged: number
}

interface Waiting {
  bytes: Buffer
  written: () => void
  done: () => void
  failed: (error: unknown) => void
}

interface Rewriting {
  records: () => readonly LogRecord[]
  done: () => void
  failed: (error: unknown) => void
}

/** A file that records are added to, and the truth about them: all else is computed from it. One process writes it. */
export class ExperienceLog {
  readonly #path: string
  #file: FileHandle
  #size: number
  #waiting: Waiting[] = []
  #rewriting: Rewriting | undefined
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false

  private constructor(path: string, file: FileHandle, size: number) {
    this.#path = path
    this.#file = file
    this.#size = size
  }

  /** Makes the file where there is none. What a crash has torn is cut off. */
  static async open(path: string): Promise<Opened> {
    const file = await step('experience.open', path, async () => {
      await rm(draftOf(path), { force: true })
      return await open(path, 'a+', 0o600)
    })
    try {
      const bytes = await readFile(path)
      const { records, end, damaged } = decodeLog(bytes)
      if (end < bytes.length) await step('experience.cut', path, () => file.truncate(end))
      return { log: new ExperienceLog(path, file, end), records, cut: bytes.length - end, damaged }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get size(): number {
    return this.#size
  }

  /**
   * Resolves when they are on the disk. Those that come while others are written are written together. `written` is called
   * before anything else is done with the log.
   */
  append(records: readonly LogRecord[], written: () => void = () => {}): Promise<void> {
    const bytes = Buffer.concat(records.map(encodeRecord))
    return new Promise((done, failed) => {
      this.#waiting.push({ bytes, written, done, failed })
      this.#go()
    })
  }

  /**
   * Puts the records that `records` answers when it is its turn in the place of all that is in the log; a crash leaves the one or
   * the other. Not to be called again before it has settled.
   */
  rewrite(records: () => readonly LogRecord[]): Promise<void> {
    return new Promise((done, failed) => {
      this.#rewriting = { records, done, failed }
      this.#go()
    })
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#file.close()
  }

  #go(): void {
    if (this.#isWriting) return
    this.#isWriting = true
    this.#writing = this.#write().finally(() => {
      this.#isWriting = false
    })
  }

  /** One thing after the other. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0 || this.#rewriting) {
      if (this.#waiting.length > 0) await this.#addGroup(this.#waiting.splice(0))
      const rewriting = this.#rewriting
      this.#rewriting = undefined
      if (rewriting) await this.#replace(rewriting.records()).then(rewriting.done, rewriting.failed)
    }
  }

  async #addGroup(group: readonly Waiting[]): Promise<void> {
    const bytes = Buffer.concat(group.map((one) => one.bytes))
    try {
      await step('experience.append', this.#path, async () => {
        await this.#file.appendFile(bytes)
        await this.#file.datasync()
      })
    } catch (error) {
      // Half a record must not stand before the next one.
      await step('experience.cut', this.#path, () => this.#file.truncate(this.#size)).catch(() => {})
      for (const { failed } of group) failed(error)
      return
    }
    this.#size += bytes.length
    for (const { written, done } of group) {
      written()
      done()
    }
  }

  async #replace(records: readonly LogRecord[]): Promise<void> {
    const draft = draftOf(this.#path)
    const bytes = Buffer.concat(records.map(encodeRecord))
    const file = await step('experience.rewrite', this.#path, async () => {
      const file = await open(draft, 'w', 0o600)
      try {
        await file.appendFile(bytes)
        await file.sync()
        await rename(draft, this.#path)
        await syncFolder(dirname(this.#path))
        return await open(this.#path, 'a', 0o600)
      } finally {
        await file.close()
      }
    })
    await this.#file.close()
    this.#file = file
    this.#size = bytes.length
  }
}

function draftOf(path: string): string {
  return `${path}.tmp`
}
