import type { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import { quotaExceeded } from '../lib/quota-exceeded.ts'
import type { QuotaExceeded } from './quota.ts'
import type { Held } from './quota-store.ts'

interface HeldDeps {
  /** Undefined when it is recorded; else what it would go beyond. */
  hold: (held: Held) => Promise<QuotaExceeded | undefined>
  letGo: (ids: readonly string[]) => Promise<void>
  /** Whether anything is set that could be gone beyond; from memory. */
  isLimited: (accountId: string) => Promise<boolean>
}

/** Takes processors and memory until what it answers is called, which resolves when they are free. Throws `limit_exceeded`. */
export type Hold = (held: Omit<Held, 'id'>) => Promise<() => Promise<void>>

/** Where an account is known to be full it is not asked for again so soon, milliseconds. */
const askAgainMs = 1000
const retryMs = 1000

/** Processors and memory that organisations have beside their sandboxes: those of instances of functions and of builds. */
export class HeldInstances {
  readonly #deps: HeldDeps
  /** What was refused to whom, until something of theirs is let go. */
  readonly #refused = new Map<string, { error: WarrenError; wanted: Omit<Held, 'id'>; atMs: number }>()
  readonly #leaving = new Set<string>()
  #lettingGo: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(deps: HeldDeps) {
    this.#deps = deps
  }

  readonly hold: Hold = async (wanted) => {
    const held = { ...wanted, id: newId('h') }
    const isLimited = await this.#deps.isLimited(wanted.accountId)
    const recorded = this.#record(held)
    // Where nothing can be gone beyond, nobody waits for the record. A database that is away is told of by whoever needs it.
    if (isLimited) await recorded
    else recorded.catch(() => {})
    return async () => {
      await recorded.catch(() => {})
      this.#refused.delete(wanted.accountId)
      await this.#letGo(held.id)
    }
  }

  /** What was set for an account has changed. */
  changed(accountId: string): void {
    this.#refused.delete(accountId)
  }

  async #record(held: Held): Promise<void> {
    const { accountId, cpuCores, memoryMb } = held
    const known = this.#refused.get(accountId)
    const isSmaller = known && (cpuCores < known.wanted.cpuCores || memoryMb < known.wanted.memoryMb)
    if (known && known.wanted.kind === held.kind && !isSmaller && performance.now() - known.atMs < askAgainMs)
      throw known.error
    await this.#lettingGo
    const beyond = await this.#deps.hold(held)
    if (!beyond) return
    const error = quotaExceeded(beyond)
    this.#refused.set(accountId, { error, wanted: held, atMs: performance.now() })
    throw error
  }

  /** Whatever leaves while a statement is under way goes with the next one; what failed is tried again. */
  #letGo(id: string): Promise<void> {
    this.#leaving.add(id)
    this.#lettingGo ??= this.#letAllGo()
    return this.#lettingGo
  }

  async #letAllGo(): Promise<void> {
    clearTimeout(this.#retry)
    // Not before whoever began it has it.
    await undefined
    try {
      while (this.#leaving.size > 0) {
        const ids = [...this.#leaving]
        await this.#deps.letGo(ids)
        for (const id of ids) this.#leaving.delete(id)
      }
    } catch {
      this.#retry = setTimeout(() => void this.#letGo([...this.#leaving][0]!), retryMs).unref()
    } finally {
      this.#lettingGo = undefined
    }
  }
}
