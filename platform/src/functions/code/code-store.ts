import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '../../errors.ts'
import { atomicWrite, isUnfinished } from '../../lib/atomic-write.ts'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import { jsonHead } from '../worker/frames.ts'
import type { LoadHead } from '../worker/load-head.ts'

type CodeHead = Pick<LoadHead, 'sourceBytes' | 'cacheBytes' | 'files' | 'entry'>

/** The code of a version as a worker takes it: what there is, and the bytes one after the other. */
export interface Code {
  head: CodeHead
  bytes: Buffer
}

/** Of code that was used last this much is held in memory, bytes. */
const mostHeldBytes = 64 * 1024 * 1024

/** Code on the disk, each under the name that its content gives it. The row of one is there before its file, and goes after it. */
export class CodeStore {
  readonly #db: Database
  readonly #folder: string
  readonly #now: () => Date
  readonly #held = new Map<string, Code>()
  /** Kept, and not named by a version yet. */
  readonly #unclaimed = new Set<string>()
  /** Whose cache was made anew by this process. */
  readonly #renewed = new Set<string>()
  #heldBytes = 0

  constructor({ db, home, now }: { db: Database; home: string; now: () => Date }) {
    this.#db = db
    this.#folder = join(home, 'functions', 'code')
    this.#now = now
  }

  async open(): Promise<void> {
    await step('home.make', this.#folder, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }))
    for (const name of (await readdir(this.#folder)).filter(isUnfinished))
      await step('function.code_clear', name, () => rm(this.#path(name), { force: true }))
    await this.sweep()
  }

  /** The name of `code`, without a cache. Two accounts with the same code have it twice: neither learns of the other's. */
  nameOf(accountId: string, runtime: string, { head, bytes }: Code): string {
    const { cacheBytes: _, ...lasting } = head
    return createHash('sha256')
      .update(`${accountId}\0${runtime}\0${JSON.stringify(lasting)}`)
      .update(bytes)
      .digest('hex')
  }

  /** Keeps code under its name while `claim` records a version that names it. */
  async keep<T>(name: string, code: Code, claim: () => Promise<T>): Promise<T> {
    this.#unclaimed.add(name)
    try {
      await this.#write(name, code)
      return await claim()
    } finally {
      this.#unclaimed.delete(name)
    }
  }

  /**
   * Keeps another cache with code that has one: what V8 made of it depends on its version. Once for each, as long as this process runs: what
   * comes from a worker may come again and again.
   */
  async renewCache(name: string, cache: Buffer): Promise<void> {
    if (this.#renewed.has(name)) return
    this.#renewed.add(name)
    const { head, bytes } = await this.read(name)
    const { sourceBytes, cacheBytes } = head
    const parts = [bytes.subarray(0, sourceBytes), cache, bytes.subarray(sourceBytes + cacheBytes)]
    const renewed = { head: { ...head, cacheBytes: cache.length }, bytes: Buffer.concat(parts) }
    // Nothing removes it meanwhile.
    this.#unclaimed.add(name)
    try {
      const versions = this.#db.kysely.selectFrom('function_versions').select('code').where('code', '=', name).limit(1)
      if (!(await versions.executeTakeFirst())) return
      await this.#write(name, renewed)
    } finally {
      this.#unclaimed.delete(name)
    }
  }

  async #write(name: string, { head, bytes }: Code): Promise<void> {
    const row = { hash: name, bytes: String(bytes.length), created_at: this.#now() }
    const insertion = this.#db.kysely
      .insertInto('function_code')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
    await step('function.code_record', name, () => insertion.execute())
    await step('function.code_write', name, () => atomicWrite(this.#path(name), Buffer.concat([jsonHead(head), bytes])))
    this.#drop(name)
    this.#hold(name, { head, bytes })
  }

  async read(name: string): Promise<Code> {
    const held = this.#held.get(name)
    if (held) {
      this.#held.delete(name)
      this.#held.set(name, held)
      return held
    }
    const file = await readFile(this.#path(name)).catch((cause) => {
      throw new WarrenError('unavailable', 'the code of this function is missing on the disk', {
        hint: 'Deploy it again.',
        cause,
      })
    })
    const length = file.readUInt32BE(0)
    const code = {
      head: JSON.parse(file.toString('utf8', 4, 4 + length)) as CodeHead,
      bytes: file.subarray(4 + length),
    }
    this.#hold(name, code)
    return code
  }

  /** Removes what no version names. */
  async sweep(): Promise<void> {
    const { rows } = await this.#db.pool.query<{ hash: string }>(
      'select hash from function_code where not exists (select from function_versions where code = hash)',
    )
    for (const { hash } of rows.filter((row) => !this.#unclaimed.has(row.hash))) {
      this.#drop(hash)
      await step('function.code_remove', hash, () => rm(this.#path(hash), { force: true }))
      const deletion = this.#db.kysely.deleteFrom('function_code').where('hash', '=', hash)
      await step('function.code_forget', hash, () => deletion.execute())
    }
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }

  #hold(name: string, code: Code): void {
    if (this.#held.has(name) || code.bytes.length > mostHeldBytes / 4) return
    this.#held.set(name, code)
    this.#heldBytes += code.bytes.length
    for (const oldest of this.#held.keys()) {
      if (this.#heldBytes <= mostHeldBytes) break
      this.#drop(oldest)
    }
  }

  #drop(name: string): void {
    this.#heldBytes -= this.#held.get(name)?.bytes.length ?? 0
    this.#held.delete(name)
  }
}
