import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'

/** Past this much it is emptied as soon as nothing in it is needed. */
const muchBytes = 256 * 1024

/** An entry for the log of an organisation, as it is hashed. */
export interface Line {
  accountId: string
  text: string
}

/**
 * What was begun and may not be in the database yet, in a file: so that a program need not wait for the database, and a kill -9
 * loses nothing of it. Its writes wait for no disk, as those of the database do not.
 */
export class AuditJournal {
  readonly #path: string
  readonly #file: number
  #bytes: number

  /** Makes the file if need be; its folder is there. */
  constructor(path: string) {
    this.#path = path
    this.#file = openSync(path, 'a', 0o600)
    this.#bytes = readFileSync(path).byteLength
    // A line that a crash cut off must not take the next one with it.
    if (this.#bytes > 0) this.#bytes += writeSync(this.#file, '\n')
  }

  /** When it returns, the entry outlives this process. Throws where it cannot be written. */
  add({ accountId, text }: Line): void {
    this.#bytes += writeSync(this.#file, `${JSON.stringify([accountId, text])}\n`)
  }

  read(): Line[] {
    return readFileSync(this.#path, 'utf8')
      .split('\n')
      .flatMap((line) => lineOf(line) ?? [])
  }

  /** To be called when all that is in it is in the database too. */
  done(): void {
    if (this.#bytes > muchBytes) this.clear()
  }

  clear(): void {
    ftruncateSync(this.#file)
    this.#bytes = 0
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** Undefined for a line that was cut off. */
function lineOf(line: string): Line | undefined {
  try {
    const [accountId, text] = JSON.parse(line) as [unknown, unknown]
    if (typeof accountId === 'string' && typeof text === 'string') return { accountId, text }
  } catch {}
  return undefined
}
