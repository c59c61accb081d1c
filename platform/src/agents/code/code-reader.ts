import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { AnalysisCache } from '../../kernel/codebase/analysis-cache.ts'
import { CodeThreads } from '../../kernel/codebase/code-threads.ts'
import { Contents } from '../../kernel/codebase/contents.ts'
import type { Finding, Inspected } from '../../kernel/hazards/hazard.ts'

const mostThreads = 4
const mostContentBytes = 192 * 1024 * 1024
/** Organisations whose cache is in memory. */
const mostCaches = 32

/** One core is left to who gives the threads their work and serves all others: where there are two, a second thread costs and gains no time. */
export function threadsFor(cores: number): number {
  return Math.max(1, Math.min(mostThreads, cores - 1))
}

/** What all runs read code with: threads, contents in memory, and for each organisation what was found on the disk. */
export class CodeReader {
  readonly threads = new CodeThreads({ most: threadsFor(availableParallelism()) })
  readonly contents = new Contents(mostContentBytes)
  readonly #folder: string
  readonly #caches = new Map<string, AnalysisCache>()

  constructor(home: string) {
    this.#folder = join(home, 'codebase')
  }

  /** One for each: that something was found before must tell nobody that somebody else has the same file. */
  cacheOf(accountId: string): AnalysisCache {
    const cache = this.#caches.get(accountId) ?? new AnalysisCache(join(this.#folder, accountId))
    this.#caches.delete(accountId)
    this.#caches.set(accountId, cache)
    for (const [oldest, its] of this.#caches) {
      if (this.#caches.size <= mostCaches) break
      void its.flush()
      this.#caches.delete(oldest)
    }
    return cache
  }

  async close(): Promise<void> {
    await this.threads.close()
    await Promise.all([...this.#caches.values()].map((cache) => cache.flush()))
  }
}

/** Looks through code in threads. Where that fails, what was not looked through is the finding. */
export function inspectBy({ threads }: Pick<CodeReader, 'threads'>) {
  return (given: readonly Inspected[]): Promise<Finding[]> =>
    threads
      .inspect(given)
      .catch((error: Error) => [{ hazard: 'not-inspected', severity: 'high', excerpt: error.message }])
}
