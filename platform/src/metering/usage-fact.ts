import type { Queries } from '../storage/database.ts'

/** One closed interval of use: a fact, from which prices and invoices are computed, and which never changes. */
export interface UsageFact {
  /** Says which interval this is, such as `<sandbox>/<number>`: a fact that is told again under its key is there once. */
  key: string
  accountId: string
  kind: 'sandbox' | 'function' | 'agent' | 'storage' | 'egress' | 'gpu'
  /** Id of what used it. */
  subject: string
  startedAt: Date
  endedAt: Date
  cpuMs?: number
  /** Megabytes (2^20 bytes) times milliseconds. */
  memoryMbMs?: number
  /** What was charged to its control group, in the same unit: a page that several share is charged to one of them. */
  memoryHeldMbMs?: number
  diskMbMs?: number
  networkInBytes?: number
  networkOutBytes?: number
  gpuMs?: number
  /** Without those that the vendor had cached. */
  modelInputTokens?: number
  modelCachedTokens?: number
  modelOutputTokens?: number
  /** Such as its template or driver; for people and reports, not for prices. */
  attributes?: Record<string, string>
}

/** Records facts, in the transaction of the change that makes them true where there is one. */
export interface RecordUsage {
  (queries: Queries, facts: readonly UsageFact[]): Promise<void>
  /**
   * The same inside a statement that makes them true: SQL that records the facts in its parameter `json`, while `condition` holds. That is a list
   * of objects with the members of facts, times in Unix milliseconds; members of other names are the caller's own.
   */
  within(json: string, condition: string): string
  /** That parameter. */
  json(facts: readonly UsageFact[]): string
}
