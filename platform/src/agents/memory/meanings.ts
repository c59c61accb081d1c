import type { Embedder } from '../../models/embedder.ts'
import type { Logger } from '../../telemetry/logger.ts'

/** What somebody waits for waits so long for its vector; then it goes on without. */
const questionMs = 3000
/** After a failure nobody is asked for so long. */
const pauseMs = 30_000

interface MeaningsOptions {
  embedder: Embedder
  now: () => Date
  logger: Logger
}

/** Vectors that a model makes of texts, for all that is found by what it means. Where they cannot be had, there are none. */
export class Meanings {
  readonly #options: MeaningsOptions
  readonly #close = new AbortController()
  #pausedUntil = 0

  constructor(options: MeaningsOptions) {
    this.#options = options
  }

  /** Changes with whatever changes the vectors. */
  get space(): string {
    return this.#options.embedder.space
  }

  /** Of a text that somebody waits for. */
  async ofOne(text: string): Promise<Float32Array | undefined> {
    return (await this.#tried([text], AbortSignal.any([this.#close.signal, AbortSignal.timeout(questionMs)])))?.[0]
  }

  /** One for each, however long it takes. */
  of(texts: readonly string[]): Promise<Float32Array[] | undefined> {
    return this.#tried(texts, this.#close.signal)
  }

  /** Nobody is asked any more. */
  close(): void {
    this.#close.abort()
  }

  async #tried(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[] | undefined> {
    const { embedder, now, logger } = this.#options
    if (now().getTime() < this.#pausedUntil || this.#close.signal.aborted) return undefined
    try {
      return await embedder.embed(texts, signal)
    } catch (error) {
      if (this.#close.signal.aborted) return undefined
      this.#pausedUntil = now().getTime() + pauseMs
      const what = 'documents and experiences are found by their words alone for a while: the model for vectors failed'
      logger.warn({ err: error }, what)
      return undefined
    }
  }
}
